"""Reading the tables that steps pass on, and that users may read and edit.

A wrong row must stop the step that reads it: a clip of an unknown split would otherwise be left
out, and a repeated clip would count twice.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from after_ser.core.errors import InputError
from after_ser.run.atomic import read_tsv

_SPLITS = ("train", "val", "test")
_REMAKE = "(delete the file and it is made again)"
_Path = str | os.PathLike[str]


def read_manifest(path: _Path, classes: Sequence[str] = ()) -> pd.DataFrame:
    """Return a dataset's manifest, every column as text; each clip once, its label of `classes`.

    Without `classes` labels are ignored. Raises InputError for anything else.
    """
    needed = ("utt", "corpus", "path", "speaker", "label", "duration_s", "sha256")
    frame = read_tsv(path, columns=needed)
    _once(frame["utt"], path)
    if classes:
        _expect_one_of(frame["label"], classes, frame["utt"], path)
    return frame


def read_fold(path: _Path, clips: Collection[str] | None = None) -> pd.DataFrame:
    """Return utt and split of a fold; each clip once, in train, val or test, and one of `clips`."""
    frame = read_tsv(path, columns=("utt", "split"))
    _once(frame["utt"], path)
    _expect_one_of(frame["split"], _SPLITS, frame["utt"], path)
    if clips is not None:
        foreign = sorted(set(frame["utt"]) - set(clips))
        if foreign:
            raise InputError(
                f"{path}: the manifest has no clip {foreign[0]}; expected only its clips {_REMAKE}"
            )
    return frame


def read_labelled(path: _Path, classes: Sequence[str]) -> pd.DataFrame:
    """Return what is labelled so far, as text; each clip once, its label of `classes`, not none."""
    frame = read_tsv(path, columns=("utt", "label", "acquired_in_round", "rank", "score"))
    _once(frame["utt"], path)
    _expect_one_of(frame["label"], classes, frame["utt"], path)
    if frame.empty:
        raise InputError(f"{path} has no clip; expected at least one {_REMAKE}")
    return frame


def read_pool(path: _Path) -> pd.DataFrame:
    """Return pool.tsv: utt as text, p_<class> as finite numbers; each clip once."""
    header = list(read_tsv(path, columns=("utt",)).columns)
    numbers = tuple(name for name in header if name != "utt")
    frame = read_tsv(path, numbers)
    _once(frame["utt"], path)
    wrong = ~np.isfinite(frame[list(numbers)].to_numpy(dtype=float)).all(axis=1)
    if wrong.any():
        raise InputError(
            f"{path}: clip {frame.loc[wrong, 'utt'].iloc[0]} has a probability that is not a "
            f"finite number; expected one for each class {_REMAKE}"
        )
    return frame


def _once(utts: pd.Series, path: _Path) -> None:
    again = utts[utts.duplicated()]
    if len(again) or "" in set(utts):
        clip = again.iloc[0] if len(again) else "without a name"
        problem = "is there twice" if len(again) else "is there"
        raise InputError(f"{Path(path)}: a clip {clip} {problem}; expected each once {_REMAKE}")


def _expect_one_of(values: pd.Series, allowed: Sequence[str], utts: pd.Series, path: _Path) -> None:
    wrong = ~values.isin(list(allowed))
    if wrong.any():
        raise InputError(
            f"{Path(path)}: clip {utts[wrong].iloc[0]} has {values.name} "
            f"{values[wrong].iloc[0]!r}; expected one of {', '.join(allowed)} {_REMAKE}"
        )
