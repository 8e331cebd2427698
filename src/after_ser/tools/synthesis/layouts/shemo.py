"""ShEMO: `female/F01A01.wav` = gender, speaker, emotion's initial, number (44.1 kHz)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from after_ser.tools.synthesis.channel import Channel
from after_ser.tools.synthesis.layouts.base import Layout, Slot, interleave


class ShemoLayout(Layout):
    """Persian radio plays, 31 women and 56 men, semi-natural (Nezami et al. 2019)."""

    name = "shemo"
    language = "fa"
    sample_rate = 44_100
    strength = 1.8
    speakers = interleave(
        [f"F{number:02d}" for number in range(1, 32)], [f"M{number:02d}" for number in range(1, 57)]
    )
    labels = {
        "A": ("anger", 1059),
        "N": ("neutral", 1028),
        "S": ("sad", 449),
        "H": ("happy", 201),
        "W": ("surprise", 225),
        "F": ("fear", 38),
    }
    channel = Channel(110, 5600, -20, 3, 24, 6, 1.4, hum=50, echo=0.15)

    def slots(self, speaker: str, label: str, per_speaker: int) -> list[Slot]:
        """Return numbers 01 to 99; every clip of a play is another sentence."""
        return [
            Slot(_path(speaker, label, number), f"{speaker}{label}{number:02d}")
            for number in range(1, 100)
        ]

    def defects(self, speakers: Sequence[str]) -> Mapping[str, str]:
        """One clip far below the shortest length a reader can use."""
        return {_path(speakers[0], "N", 0): "short"}


def _path(speaker: str, label: str, number: int) -> str:
    folder = "female" if speaker.startswith("F") else "male"
    return f"{folder}/{speaker}{label}{number:02d}.wav"
