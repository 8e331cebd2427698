"""Perturbations by name. Imports nothing heavy: the Snakefile reads this list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Entry:
    """Where a perturbation is, what its level means, and the levels it takes (inclusive)."""

    path: str
    title: str
    unit: str
    lowest: float
    highest: float


_PACKAGE = "after_ser.studies.robustness.perturb"

PERTURBATIONS = {
    "white": Entry(f"{_PACKAGE}.white:white", "white noise, SNR", "dB", -30, 60),
    "babble": Entry(f"{_PACKAGE}.babble:babble", "babble of other clips, SNR", "dB", -30, 60),
    "reverb": Entry(f"{_PACKAGE}.reverb:reverb", "reverberation, RT60", "s", 0.05, 10),
    "telephone": Entry(
        f"{_PACKAGE}.telephone:telephone", "telephone band, upper edge", "Hz", 1000, 3800
    ),
    "coding": Entry(f"{_PACKAGE}.coding:coding", "Opus coding", "kbit/s", 6, 256),
}


def perturbation(kind: str) -> Callable[..., Any]:
    """Return the function called `kind`; KeyError if unknown."""
    module, _, attribute = PERTURBATIONS[kind].path.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), attribute)
    return function
