"""Acquisition strategies by name. Imports nothing heavy: the Snakefile reads this list."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from after_ser.acquisition.base import Strategy

STRATEGIES = {
    "random": "after_ser.acquisition.random:Random",
    "entropy": "after_ser.acquisition.entropy:Entropy",
    "least_confidence": "after_ser.acquisition.least_confidence:LeastConfidence",
    "margin": "after_ser.acquisition.margin:Margin",
}


def strategy(name: str) -> Strategy:
    """Return the strategy called `name`; KeyError where there is none."""
    module, _, attribute = STRATEGIES[name].partition(":")
    chosen: Strategy = getattr(import_module(module), attribute)()
    return chosen
