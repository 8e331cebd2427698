"""ESD: `0011/Angry/train/0011_000371.wav` = speaker, emotion, split, number (16 kHz)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from after_ser.run.atomic import write_text
from after_ser.tools.synthesis.channel import Channel
from after_ser.tools.synthesis.layouts.base import Clip, Layout, Slot, interleave

_FOLDERS = ("Neutral", "Angry", "Happy", "Sad", "Surprise")  # in the order of clip numbers
_SENTENCES = 350
# Sentences 1 to 20 are the release's evaluation part, 21 to 50 its test part.
_SPLITS = ((20, "evaluation"), (50, "test"), (_SENTENCES, "train"))


class EsdLayout(Layout):
    """The ten English speakers, the same 350 sentences in five emotions (Zhou et al. 2022).

    The release names no genders, so the synthetic voices' are made up. Every sentence has one
    take, so there are no near-duplicates.
    """

    name = "esd"
    language = "en"
    sample_rate = 16_000
    strength = 1.8
    near_duplicates = False
    speakers = interleave(
        [f"{number:04d}" for number in range(15, 20)],
        [f"{number:04d}" for number in (11, 12, 13, 14, 20)],
    )
    labels = {
        "Angry": ("anger", 3500),
        "Neutral": ("neutral", 3500),
        "Sad": ("sad", 3500),
        "Happy": ("happy", 3500),
        "Surprise": ("surprise", 3500),
    }
    channel = Channel(60, 7400, -23, 2, 34, 4, 0.8)

    def slots(self, speaker: str, label: str, per_speaker: int) -> list[Slot]:
        """Return the 350 sentences; numbers run on from emotion to emotion."""
        first = _FOLDERS.index(label) * _SENTENCES
        slots = []
        for sentence in range(1, _SENTENCES + 1):
            split = next(name for last, name in _SPLITS if sentence <= last)
            path = f"{speaker}/{label}/{split}/{speaker}_{first + sentence:06d}.wav"
            slots.append(Slot(path, f"sentence{sentence:03d}"))
        return slots

    def write_labels(
        self, root: Path, clips: Sequence[Clip], durations: Mapping[str, float], seed: int
    ) -> None:
        """Write each speaker's transcript: clip, sentence and emotion, separated by tabs."""
        for speaker in sorted({clip.speaker for clip in clips}):
            lines = [
                f"{Path(clip.path).stem}\t{clip.text}\t{clip.label}\n"
                for clip in sorted(clips, key=lambda clip: Path(clip.path).name)
                if clip.speaker == speaker
            ]
            write_text(root / speaker / f"{speaker}.txt", "".join(lines))
