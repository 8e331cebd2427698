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
    """Where a strategy is, which fields of PoolView it needs, and its options' defaults.

    options are keywords of its constructor; feature_options say how the fields are computed.
    """

    path: str
    needs: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)
    feature_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def of_model(self) -> bool:
        """Tell whether the model of the round before has to be run for it."""
        return bool(self.needs & OF_MODEL)


OF_MODEL = frozenset({"mc_probs", "embeddings", "labelled_probs", "labelled_embeddings"})
#: Stochastic passes K of MC dropout.
MC_DROPOUT = {"passes": 10}
#: Equal parts of time of a clip, and how often and how much of it is masked (span in frames).
SURPRISAL = {"bins": 50, "maskings": 4, "mask_share": 0.15, "mask_span": 10}
_PACKAGE = "after_ser.acquisition"
_PROBS = frozenset({"probs"})
_MC_PROBS = frozenset({"mc_probs"})
_LABELLED = frozenset({"labelled_probs", "labelled_embeddings"})

STRATEGIES = {
    "random": Registered(f"{_PACKAGE}.random:Random"),
    "entropy": Registered(f"{_PACKAGE}.entropy:Entropy", _PROBS),
    "least_confidence": Registered(f"{_PACKAGE}.least_confidence:LeastConfidence", _PROBS),
    "margin": Registered(f"{_PACKAGE}.margin:Margin", _PROBS),
    "alps": Registered(
        f"{_PACKAGE}.alps:Alps", frozenset({"surprisal"}), feature_options=SURPRISAL
    ),
    "bald": Registered(f"{_PACKAGE}.bald:Bald", _MC_PROBS, feature_options=MC_DROPOUT),
    "batchbald": Registered(
        f"{_PACKAGE}.batchbald:BatchBald",
        _MC_PROBS,
        {"samples": 10000, "min_left": 0.05},
        MC_DROPOUT,
    ),
    "badge": Registered(f"{_PACKAGE}.badge:Badge", frozenset({"probs", "embeddings"})),
    "coreset": Registered(
        f"{_PACKAGE}.coreset:GreedyKCentre", frozenset({"embeddings", "labelled_embeddings"})
    ),
    "cal": Registered(
        f"{_PACKAGE}.cal:ContrastiveAcquisition",
        _LABELLED | {"probs", "embeddings"},
        {"neighbours": 10},
    ),
    "kmeans": Registered(
        f"{_PACKAGE}.kmeans:PoolKMeans", frozenset({"cnn_means"}), {"k_min": 2, "k_max": 10}
    ),
}

#: Strategies whose choice is the top k of a score that each clip has whatever k is.
PER_CLIP = frozenset({"entropy", "least_confidence", "margin", "bald", "cal"})


def strategy(name: str, options: Mapping[str, Any] | None = None) -> Strategy:
    """Return the strategy called `name`, its options replaced by those of `options` it knows."""
    entry = STRATEGIES[name]
    module, _, attribute = entry.path.partition(":")
    own = {key: (options or {}).get(key, default) for key, default in entry.options.items()}
    chosen: Strategy = getattr(import_module(module), attribute)(**own)
    return chosen
