"""The clips of a fold as baselines get them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

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
