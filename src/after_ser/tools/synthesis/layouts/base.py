"""What a layout says about its corpus, and what a planned clip is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar

import numpy as np

from after_ser.tools.synthesis.channel import Channel

# IEMOCAP's excitement is counted as happiness by everyone, so it belongs to the four classes.
FOUR_CLASSES = ("anger", "neutral", "sad", "happy", "excitement")


@dataclass(frozen=True)
class Slot:
    """A file name the release could hold: path below the root, and which sentence it is."""

    path: str
    text: str


@dataclass(frozen=True)
class Clip:
    """A planned clip.

    `label` is the corpus's raw label; `emotion` what is really heard (another one where the clip
    is mislabelled); `twin` is the path of the clip whose take it repeats, "" for none.
    """

    path: str
    text: str
    speaker: str
    label: str
    emotion: str
    twin: str = ""


class Layout(ABC):
    """One release layout.

    `speakers` are (name, gender), women and men in turn; `labels` maps a raw label to
    (emotion, clips in the official release); `strength` says how strongly emotions are acted
    (1 = acted, less = spontaneous); `near_duplicates` whether a few takes are there twice, which
    needs names for a sentence said again; `defects` maps planted bad files, by path, to "silent" or
    "short".
    """

    name: ClassVar[str]
    language: ClassVar[str]
    sample_rate: ClassVar[int]
    strength: ClassVar[float]
    speakers: ClassVar[Sequence[tuple[str, str]]]
    labels: ClassVar[Mapping[str, tuple[str, int]]]
    channel: ClassVar[Channel]
    duplicated: ClassVar[bool] = False
    near_duplicates: ClassVar[bool] = True
    stereo_share: ClassVar[float] = 0.0

    @abstractmethod
    def slots(self, speaker: str, label: str, per_speaker: int) -> list[Slot]:
        """Return the official names for a speaker's clips of one label, [] if there are none.

        `per_speaker` is about how many clips the speaker will get in all.
        """

    def defects(self, speakers: Sequence[str]) -> Mapping[str, str]:
        """Return planted bad files: path -> "silent" or "short" (none by default)."""
        return {}

    def write_labels(  # noqa: B027 - most corpora say everything in their file names
        self, root: Path, clips: Sequence[Clip], durations: Mapping[str, float], seed: int
    ) -> None:
        """Write the files beside the audio; `durations` in seconds by path."""


def interleave(women: Sequence[str], men: Sequence[str]) -> list[tuple[str, str]]:
    """Return (name, gender) in turn, so that the first n speakers are balanced."""
    pairs = zip_longest(((name, "female") for name in women), ((name, "male") for name in men))
    return [speaker for pair in pairs for speaker in pair if speaker is not None]


def shuffled(slots: Sequence[Slot], draw: np.random.Generator) -> list[Slot]:
    """Return the slots in random order."""
    return [slots[int(i)] for i in draw.permutation(len(slots))]
