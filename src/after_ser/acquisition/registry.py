"""Acquisition strategies by name. Imports nothing heavy: the Snakefile reads this list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from after_ser.acquisition.base import Strategy


@dataclass(frozen=True)
class Registered:
    """Where a strategy is, which fields of PoolView it needs, and its options' defaults."""

    path: str
    needs: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def of_model(self) -> bool:
        """Tell whether the model of the round before has to be run for it."""
        return bool(self.needs & OF_MODEL)


OF_MODEL = frozenset({"mc_probs", "embeddings", "labelled_probs", "labelled_embeddings"})
_PACKAGE = "after_ser.acquisition"
_PROBS = frozenset({"probs"})

STRATEGIES = {
    "random": Registered(f"{_PACKAGE}.random:Random"),
    "entropy": Registered(f"{_PACKAGE}.entropy:Entropy", _PROBS),
    "least_confidence": Registered(f"{_PACKAGE}.least_confidence:LeastConfidence", _PROBS),
    "margin": Registered(f"{_PACKAGE}.margin:Margin", _PROBS),
}


def strategy(name: str, options: Mapping[str, Any] | None = None) -> Strategy:
    """Return the strategy called `name`, its options replaced by `options`; KeyError if unknown."""
    entry = STRATEGIES[name]
    module, _, attribute = entry.path.partition(":")
    chosen: Strategy = getattr(import_module(module), attribute)(
        **{**entry.options, **(options or {})}
    )
    return chosen
