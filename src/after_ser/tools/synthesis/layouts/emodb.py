"""EmoDB: `wav/03a01Fa.wav` = speaker, text, emotion's German initial, version (16 kHz)."""

from __future__ import annotations

from after_ser.tools.synthesis.channel import Channel
from after_ser.tools.synthesis.layouts.base import Layout, Slot, interleave

_TEXTS = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")


class EmodbLayout(Layout):
    """Ten actors, ten sentences, an anechoic room (Burkhardt et al. 2005)."""

    name = "emodb"
    language = "de"
    sample_rate = 16_000
    strength = 2.2
    speakers = interleave(("08", "09", "13", "14", "16"), ("03", "10", "11", "12", "15"))
    labels = {
        "W": ("anger", 127),
        "N": ("neutral", 79),
        "T": ("sad", 62),
        "F": ("happy", 71),
        "A": ("fear", 69),
        "L": ("boredom", 81),
        "E": ("disgust", 46),
    }
    channel = Channel(60, 7400, -22, 3, 36, 4, 1.0)

    def slots(self, speaker: str, label: str, per_speaker: int) -> list[Slot]:
        """Return text x version."""
        return [
            Slot(f"wav/{speaker}{text}{label}{version}.wav", text)
            for text in _TEXTS
            for version in "abcd"
        ]
