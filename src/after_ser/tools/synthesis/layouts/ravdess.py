"""RAVDESS speech: `Actor_01/03-01-05-02-01-01-01.wav` (48 kHz, a few clips stereo)."""

from __future__ import annotations

from after_ser.tools.synthesis.channel import Channel
from after_ser.tools.synthesis.layouts.base import Layout, Slot, interleave


class RavdessLayout(Layout):
    """24 actors (odd = man, even = woman), two statements (Livingstone and Russo 2018)."""

    name = "ravdess"
    language = "en"
    sample_rate = 48_000
    strength = 2.0
    speakers = interleave(
        [f"{number:02d}" for number in range(2, 25, 2)],
        [f"{number:02d}" for number in range(1, 25, 2)],
    )
    labels = {
        "05": ("anger", 192),
        "01": ("neutral", 96),
        "04": ("sad", 192),
        "03": ("happy", 192),
        "02": ("calm", 192),
        "06": ("fear", 192),
        "07": ("disgust", 192),
        "08": ("surprise", 192),
    }
    channel = Channel(50, 7600, -28, 3, 38, 4, 0.5)
    duplicated = True
    stereo_share = 0.04

    def slots(self, speaker: str, label: str, per_speaker: int) -> list[Slot]:
        """Return intensity x statement x repetition; neutral has the normal intensity only."""
        return [
            Slot(
                f"Actor_{speaker}/03-01-{label}-{intensity}-{statement}-{repetition}-{speaker}.wav",
                statement,
            )
            for intensity in (("01",) if label == "01" else ("01", "02"))
            for statement in ("01", "02")
            for repetition in ("01", "02")
        ]
