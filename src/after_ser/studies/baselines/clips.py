"""The clips of a fold and their sound, as baselines get them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import pad

from after_ser.model.geometry import SAMPLE_RATE
from after_ser.model.waveform import read_samples, to_float
from after_ser.studies.baselines.base import Clip

_RATINGS = ("valence", "arousal", "dominance")


def read_clips(
    fold: pd.DataFrame, manifest: pd.DataFrame, classes: Sequence[str]
) -> dict[str, list[Clip]]:
    """Return the clips of train, val and test, each sorted by utterance, with their labels.

    fold: utt, split; manifest: a dataset's manifest, both as `read_tsv` gives them.
    """
    index = {name: position for position, name in enumerate(classes)}
    rows = manifest.set_index("utt")
    parts = {}
    for part in ("train", "val", "test"):
        utts = sorted(fold.loc[fold["split"] == part, "utt"])
        records = rows.loc[utts].to_dict("records")
        parts[part] = [_clip(utt, row, index) for utt, row in zip(utts, records, strict=True)]
    return parts


def _clip(utt: str, row: dict[Any, Any], index: dict[str, int]) -> Clip:
    ratings = {name: float(row[name]) if row.get(name) else None for name in _RATINGS}
    return Clip(utt, row["path"], index[row["label"]], row["speaker"], **ratings)


def unlabelled(clips: Sequence[Clip]) -> list[Clip]:
    """Return the clips without label and ratings, which no model may see that is tested."""
    return [replace(clip, label=None, valence=None, arousal=None, dominance=None) for clip in clips]


def labels_of(clips: Sequence[Clip]) -> list[int]:
    """Return the labels of clips that have them; raises ValueError for one that has none."""
    found = []
    for clip in clips:
        if clip.label is None:
            raise ValueError(f"clip {clip.utt} has no label")
        found.append(clip.label)
    return found


def waveform(clip: Clip) -> Tensor:
    """Return a clip's samples [T] at 16 kHz, float32 in [-1, 1); read them once per fit."""
    return torch.from_numpy(to_float(read_samples(clip.path)))


def samples(seconds: float) -> int:
    """Return how many samples so many seconds are, at least one."""
    return max(1, round(seconds * SAMPLE_RATE))


def fixed_length(signal: Tensor, length: int) -> Tensor:
    """Return the first `length` samples [length] of a signal [T], silence behind a shorter one."""
    return pad(signal[:length], (0, max(0, length - len(signal))))


def windows(signal: Tensor, length: int, hop: int) -> Tensor:
    """Return all whole windows [n, length] of a signal [T], `hop` samples apart.

    A signal shorter than one window is one window with silence behind it; of a longer one the
    samples behind the last whole window are left out.
    """
    if len(signal) < length:
        signal = fixed_length(signal, length)
    return signal.unfold(0, length, hop).contiguous()
