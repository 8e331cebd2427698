"""One clip of a queue: what a person is asked to label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class QueuedClip:
    """A clip that waits for a label.

    rank:    its place in the queue, the most wanted first
    utt:     its name in the dataset
    audio:   its 16 kHz file
    seconds: its length
    """

    rank: int
    utt: str
    audio: Path
    seconds: float
