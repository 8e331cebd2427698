"""The only fold of speech that nobody has labelled: val of its own speakers, the rest is the pool.

No clip is held out for testing: there are no labels to test with. Labels are ignored, so the fold
is the same whether none, some or all clips have one.
"""

from __future__ import annotations

import math

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.data.datasets.duplicates import near_duplicate_keys
from after_ser.data.datasets.folds import Fold
from after_ser.data.datasets.sampling import shuffled

OWN = "own"


def make_own_fold(manifest: pd.DataFrame, dataset: str, val_share: float) -> Fold:
    """Split a dataset into val and train; `balanced_away` are clips of val speakers not in val.

    val has floor(val_share * n + 0.5) of the n clips, or fewer. Its speakers are drawn until the
    count is closest, and none of their clips is in train. Without speakers (fewer than two
    named ones) clips are drawn, which proves less; reports must say so. Raises InputError
    where nothing would be left for val or train.
    """
    clips = manifest.sort_values("utt").reset_index(drop=True)
    total = math.floor(round(val_share * len(clips), 9) + 0.5)
    where = f"dataset {dataset}"
    if not 1 <= total < len(clips):
        raise InputError(
            f"{where}: val.share {val_share:g} of {len(clips)} clips is {total}; expected at least "
            "one clip in val and one in the pool (more clips, or another share)"
        )
    source = ("own val", dataset)
    speakers = val_speakers(clips, total, source)
    if speakers:
        held = clips["speaker"].isin(speakers)
    else:
        held = near_duplicate_keys(clips.assign(label="")) == ""
    drawn = set(shuffled(clips.loc[held, "utt"], *source)[:total])
    is_val = clips["utt"].isin(drawn)
    apart = clips["speaker"].isin(speakers) & ~is_val
    split = is_val.map({True: "val", False: "train"})
    used = clips.loc[~apart, ["utt"]].assign(split=split[~apart])
    if not {"val", "train"} <= set(used["split"]):
        raise InputError(f"{where}: no clip is left for val or train; expected more clips")
    away = clips.loc[apart, ["utt", "corpus", "speaker", "label"]]
    return Fold(used.reset_index(drop=True), away.reset_index(drop=True))


def val_speakers(clips: pd.DataFrame, total: int, source: tuple[str, ...]) -> list[str]:
    """Return the speakers of val, whose clips come as close to `total` as a random order allows.

    [] if fewer than two speakers are named. At least one speaker stays outside.
    """
    sizes = clips.loc[clips["speaker"] != "", "speaker"].value_counts().to_dict()
    if len(sizes) < 2:
        return []
    order = shuffled(map(str, sizes), *source)
    chosen: list[str] = []
    count = 0
    for name in order:
        if count + sizes[name] <= total and len(chosen) + 1 < len(sizes):
            chosen.append(name)
            count += sizes[name]
    rest = sorted((sizes[name], order.index(name), name) for name in order if name not in chosen)
    size, _, smallest = rest[0]
    if not chosen or (len(rest) > 1 and abs(count + size - total) < total - count):
        chosen.append(smallest)
    return sorted(chosen)
