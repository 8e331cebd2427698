"""Cross-validation folds: a session or a group of speakers is held out, the rest is train and val.

Random choices come from sources named by the dataset and the fold ("balance" and "val"), never
from the run's seed: repeats with other seeds train and test on the same clips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.data.datasets.balance import balance_clips
from after_ser.data.datasets.duplicates import near_duplicate_keys
from after_ser.data.datasets.sampling import allocate, shuffled

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Fold:
    """`splits`: utt, split of every clip that is used; `balanced_away`: what balancing dropped."""

    splits: pd.DataFrame
    balanced_away: pd.DataFrame


def session_groups(target: pd.DataFrame) -> list[list[str]]:
    """Return the speakers of each session of the target corpus, in the order of sorted sessions.

    Raises InputError where a clip has no session, where there are fewer than two, or where a
    speaker is in two of them: holding out one session would leave that speaker in train.
    """
    missing = target[target["session"] == ""]
    if len(missing):
        raise InputError(
            f"folds by session: clip {missing['utt'].min()} has no session, "
            "expected one for every clip of the target corpus (or folds: {by: speaker})"
        )
    pairs = target[["session", "speaker"]].drop_duplicates().sort_values(["session", "speaker"])
    shared = pairs[pairs["speaker"].duplicated(keep=False)]
    if len(shared):
        speaker = shared["speaker"].iloc[0]
        sessions = ", ".join(shared.loc[shared["speaker"] == speaker, "session"])
        raise InputError(
            f"folds by session: speaker {speaker} is in the sessions {sessions}, "
            "expected each speaker in one (or folds: {by: speaker})"
        )
    groups = [list(rows["speaker"]) for _, rows in pairs.groupby("session")]
    if len(groups) < 2:
        raise InputError(f"folds by session: {len(groups)} session, expected at least 2")
    return groups


def speaker_groups(target: pd.DataFrame, groups: int | None = None) -> list[list[str]]:
    """Return the target's speakers in `groups` groups of near-equal size and balanced gender.

    Speakers are dealt out in sorted order, women first, then men, then those of unknown gender;
    so EmoDB's ten make five pairs of one woman and one man. Sizes differ by at most one, and so
    does the number of women (and of men). Without `groups`, each speaker is a group. Groups come
    sorted by their first speaker.
    """
    speakers = target[["speaker", "gender"]].sort_values(["speaker", "gender"])
    speakers = speakers.drop_duplicates("speaker", keep="last")  # prefer a known gender
    if "" in set(speakers["speaker"]):
        clip = target.loc[target["speaker"] == "", "utt"].min()
        raise InputError(f"folds by speaker: clip {clip} has no speaker, expected one for each")
    count = len(speakers) if groups is None else groups
    if not 2 <= count <= len(speakers):
        raise InputError(
            f"folds by speaker: {len(speakers)} speakers for {count} groups, "
            "expected at least 2 groups and a speaker for each"
        )
    rank = speakers["gender"].map({"female": 0, "male": 1}).fillna(2)
    dealt = list(speakers.assign(rank=rank).sort_values(["rank", "speaker"])["speaker"])
    return sorted(sorted(dealt[start::count]) for start in range(count))


def held_out_speakers(
    manifest: pd.DataFrame, fold: int, target: str, by: str, groups: int | None = None
) -> list[str]:
    """Return the speakers held out in `fold` (numbered from 1), all of the target corpus."""
    clips = manifest[manifest["corpus"] == target]
    if clips.empty:
        raise InputError(f"folds: the dataset has no clip of the target corpus {target}")
    if by == "session":
        held_out = session_groups(clips)
    elif by == "speaker":
        held_out = speaker_groups(clips, groups)
    else:
        raise InputError(f"folds.by is {by!r}, expected session or speaker")
    if not 1 <= fold <= len(held_out):
        raise InputError(
            f"fold {fold} does not exist: the target corpus {target} by {by} makes the folds "
            f"1 to {len(held_out)}"
        )
    return held_out[fold - 1]


def make_fold(
    manifest: pd.DataFrame,
    fold: int,
    dataset: str,
    target: str,
    classes: Sequence[str],
    by: str = "session",
    groups: int | None = None,
    val_share: float = 0.1,
    val_extra: bool = True,
    balance: Mapping[str, Any] | None = None,
    halves: bool = False,
) -> Fold:
    """Split a dataset's clips: test is the whole held-out group, the rest is balanced, then split.

    val is `val_share` of what balancing left (rounded half up), stratified by label and corpus;
    with `val_extra` False it is that share of the target's clips, and extra corpora are in train
    only. Every class is in val and in train as far as its clips and the exact total allow.
    `balance` holds method, ratio and cap (see balance_clips), default the paper's ratio. The
    order of `manifest`'s rows does not matter. With `halves` True the held-out group is both val
    and test (see `_halves`) and the whole rest is train. Raises InputError for too few sessions,
    speakers or clips.
    """
    clips = manifest.sort_values("utt").reset_index(drop=True)
    held_out = clips["speaker"].isin(held_out_speakers(clips, fold, target, by, groups))
    rest = clips[~held_out]
    keep = balance_clips(rest, classes, dataset, fold, **dict(balance or {}))
    remaining = rest[keep]
    if halves:
        val = _halves(clips.loc[held_out, "utt"], dataset, fold)
    else:
        val = _draw_val(remaining, classes, dataset, fold, target, val_share, val_extra)
    split = pd.Series("train", index=clips.index)
    split[held_out] = "test"
    split[clips["utt"].isin(val)] = "val"
    used = held_out | clips["utt"].isin(remaining["utt"])
    splits = clips.loc[used, ["utt"]].assign(split=split[used])
    sides = splits["split"].replace("val", "test") if halves else splits["split"]
    assert_apart(clips[used], sides)
    away = rest.loc[~keep, ["utt", "corpus", "speaker", "label"]]
    return Fold(splits.reset_index(drop=True), away.reset_index(drop=True))


def _halves(utts: pd.Series, dataset: str, fold: int) -> set[str]:
    """Return the half of the held-out clips that is val, as in the released code; test is larger.

    The released code takes the first half of a session in the order in which os.listdir names its
    files; here that arbitrary order is a random one named by dataset and fold, so that val and
    test share speakers and dialogues, as they do there.
    """
    order = shuffled(utts, "halves", dataset, fold)
    if len(order) < 2:
        raise InputError(
            f"fold {fold} of dataset {dataset}: {len(order)} clip is held out, which cannot be "
            "both val and test; expected at least 2 (or arms with split: paper)"
        )
    return set(order[(len(order) + 1) // 2 :])


def _draw_val(
    remaining: pd.DataFrame,
    classes: Sequence[str],
    dataset: str,
    fold: int,
    target: str,
    share: float,
    extra: bool,
) -> set[str]:
    """Return the utterances of val: exactly floor(share * n + 0.5) of the n clips it may take."""
    if not 0 <= share < 1:
        raise InputError(f"val.share is {share}, expected a fraction from 0 up to 1")
    # a near-duplicate of a train clip would make early stopping look better than it is
    may = (near_duplicate_keys(remaining) == "") & (extra | (remaining["corpus"] == target))
    pool = remaining if extra else remaining[remaining["corpus"] == target]
    total = math.floor(share * len(pool) + 0.5)
    if share and not total:
        raise InputError(
            f"fold {fold} of dataset {dataset}: val.share {share:g} of {len(pool)} clips is less "
            "than one clip, expected a larger share or more clips"
        )
    sizes = [int((pool["label"] == name).sum()) for name in classes]
    upper = [
        # one clip of a class must stay in train
        min(int((may & (remaining["label"] == name)).sum()), (remaining["label"] == name).sum() - 1)
        for name in classes
    ]
    upper = [max(0, int(count)) for count in upper]
    if total > sum(upper):
        raise InputError(
            f"fold {fold} of dataset {dataset}: val.share {share:g} asks for {total} clips, but at "
            f"most {sum(upper)} can be spared with every class and every near-duplicate in train"
        )
    # one clip of each class, for the largest classes where the total is too small for all
    by_size = sorted(range(len(classes)), key=lambda i: (-sizes[i], i))
    first = [i for i in by_size if upper[i]][:total]
    lower = [int(i in first) for i in range(len(classes))]
    source = ("val", dataset, fold)
    drawn: set[str] = set()
    for name, quota in zip(classes, allocate(total, sizes, lower, upper), strict=True):
        of_class = pool[pool["label"] == name]
        counts = of_class["corpus"].value_counts()
        eligible = of_class[may[of_class.index]]
        corpora = shuffled(counts.index, *source)
        spare = [int((eligible["corpus"] == corpus).sum()) for corpus in corpora]
        shares = allocate(quota, [int(counts[corpus]) for corpus in corpora], upper=spare)
        for corpus, number in zip(corpora, shares, strict=True):
            utts = eligible.loc[eligible["corpus"] == corpus, "utt"]
            drawn.update(shuffled(utts, *source)[:number])
    return drawn


def assert_apart(clips: pd.DataFrame, split: pd.Series) -> None:
    """Assert that no identical or nearly identical clips are in two splits."""
    equal, near = clips["sha256"], near_duplicate_keys(clips)
    for what, keys in (("copies", equal), ("near-duplicates", near)):
        sides = split[keys != ""].groupby(keys[keys != ""]).nunique()
        assert (sides <= 1).all(), f"{what} on two sides: {sides[sides > 1].index[0]}"
