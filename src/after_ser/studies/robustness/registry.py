"""What the level of each perturbation means. Imports nothing heavy: the Snakefile reads this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """What a perturbation's level means, and the levels it takes (inclusive)."""

    title: str
    unit: str
    lowest: float
    highest: float


PERTURBATIONS = {
    "white": Entry("white noise, SNR", "dB", -30, 60),
    "babble": Entry("babble of other clips, SNR", "dB", -30, 60),
    "reverb": Entry("reverberation, RT60", "s", 0.05, 10),
    "telephone": Entry("telephone band, upper edge", "Hz", 1000, 3800),
    "coding": Entry("Opus coding", "kbit/s", 6, 256),
}
