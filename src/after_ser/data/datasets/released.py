"""The folds of the released code: the held-out group is both val and test, half and half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.data.datasets.balance import balance_clips
from after_ser.data.datasets.folds import Fold, assert_apart, held_out_speakers
from after_ser.data.datasets.sampling import shuffled


def make_released_fold(
    manifest: pd.DataFrame,
    fold: int,
    dataset: str,
    target: str,
    classes: Sequence[str],
    by: str = "session",
    groups: int | None = None,
    balance: Mapping[str, Any] | None = None,
) -> Fold:
    """Split a dataset as the released code does: test is half of the held-out group, val the rest.

    Train is everything else after balancing, extra corpora included. The released code takes the
    first half of a session in the order in which os.listdir names its files; here that arbitrary
    order is a random one named by dataset and fold, so that val and test share speakers and
    dialogues, as they do there. Test has the odd clip. Raises InputError as `make_fold` does.
    """
    clips = manifest.sort_values("utt").reset_index(drop=True)
    held_out = clips["speaker"].isin(held_out_speakers(clips, fold, target, by, groups))
    rest = clips[~held_out]
    keep = balance_clips(rest, classes, dataset, fold, **dict(balance or {}))
    order = shuffled(clips.loc[held_out, "utt"], "halves", dataset, fold)
    test = set(order[: (len(order) + 1) // 2])
    if len(order) < 2:
        raise InputError(
            f"fold {fold} of dataset {dataset}: {len(order)} clip is held out, which cannot be "
            "both val and test; expected at least 2 (or arms with split: paper)"
        )
    split = pd.Series("train", index=clips.index)
    split[held_out] = "val"
    split[clips["utt"].isin(test)] = "test"
    used = held_out | clips["utt"].isin(rest.loc[keep, "utt"])
    assert_apart(clips[used], split[used].replace("val", "test"))
    splits = clips.loc[used, ["utt"]].assign(split=split[used])
    away = rest.loc[~keep, ["utt", "corpus", "speaker", "label"]]
    return Fold(splits.reset_index(drop=True), away.reset_index(drop=True))
