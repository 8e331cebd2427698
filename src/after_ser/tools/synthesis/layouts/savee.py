"""SAVEE: `AudioData/DC/a01.wav` = speaker folder, emotion's initials, number (44.1 kHz)."""

from __future__ import annotations

from after_ser.tools.synthesis.channel import Channel
from after_ser.tools.synthesis.layouts.base import Layout, Slot


class SaveeLayout(Layout):
    """Four men; three sentences common to all emotions (Jackson and Haq 2014)."""

    name = "savee"
    language = "en"
    sample_rate = 44_100
    strength = 1.8
    speakers = [(name, "male") for name in ("DC", "JE", "JK", "KL")]
    labels = {
        "a": ("anger", 60),
        "n": ("neutral", 120),
        "sa": ("sad", 60),
        "h": ("happy", 60),
        "d": ("disgust", 60),
        "f": ("fear", 60),
        "su": ("surprise", 60),
    }
    channel = Channel(70, 7200, -24, 3, 32, 4, 1.0)

    def slots(self, speaker: str, label: str, per_speaker: int) -> list[Slot]:
        """Return numbers 01 to 15, 01 to 30 for neutral."""
        return [
            Slot(
                f"AudioData/{speaker}/{label}{number:02d}.wav",
                f"common{number}" if number <= 3 else f"{label}{number:02d}",
            )
            for number in range(1, 31 if label == "n" else 16)
        ]
