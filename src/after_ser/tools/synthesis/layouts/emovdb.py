"""EmoV-DB by speaker folders: `bea/Angry/anger_1-28_0001.wav` (16 kHz, 16 bit)."""

from __future__ import annotations

from after_ser.tools.synthesis.channel import Channel
from after_ser.tools.synthesis.layouts.base import Layout, Slot, interleave

_FOLDERS = {
    "anger": "Angry",
    "neutral": "Neutral",
    "amused": "Amused",
    "sleepiness": "Sleepy",
    "disgust": "Disgusted",
}
_BLOCK = 28  # sentences per recording block, part of every name


class EmovdbLayout(Layout):
    """Two women, two men, CMU Arctic sentences; josh has no anger (Adigwe et al. 2018)."""

    name = "emovdb"
    language = "en"
    sample_rate = 16_000
    strength = 1.8
    speakers = interleave(("bea", "jenie"), ("josh", "sam"))
    labels = {
        "anger": ("anger", 1160),
        "neutral": ("neutral", 1628),
        "amused": ("amused", 1300),
        "sleepiness": ("sleepy", 1700),
        "disgust": ("disgust", 1000),
    }
    channel = Channel(80, 7000, -18, 2.5, 30, 5, 1.0, echo=0.08)

    def slots(self, speaker: str, label: str, per_speaker: int) -> list[Slot]:
        """Return the sentences of the first blocks (josh: no anger, no disgust)."""
        if speaker == "josh" and label in ("anger", "disgust"):
            return []
        slots = []
        for sentence in range(1, 12 * _BLOCK + 1):
            first = (sentence - 1) // _BLOCK * _BLOCK + 1
            name = f"{label}_{first}-{first + _BLOCK - 1}_{sentence:04d}.wav"
            slots.append(Slot(f"{speaker}/{_FOLDERS[label]}/{name}", f"{sentence:04d}"))
        return slots
