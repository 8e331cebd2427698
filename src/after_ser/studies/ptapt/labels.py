"""The emotion labels that P-TAPT's first stage may read: those of the train split, all of them."""

from __future__ import annotations

import os

from after_ser.core.errors import InputError
from after_ser.run.atomic import read_tsv


def train_labels(
    manifest_tsv: str | os.PathLike[str], fold_tsv: str | os.PathLike[str]
) -> dict[str, str]:
    """Return the label of every train clip of the fold, and of no other."""
    fold = read_tsv(fold_tsv)
    wanted = set(fold.loc[fold["split"] == "train", "utt"])
    manifest = read_tsv(manifest_tsv)
    rows = manifest[manifest["utt"].isin(wanted)]
    if len(rows) != len(wanted) or rows.empty:
        raise InputError(
            f"p-tapt: {fold_tsv} has {len(wanted)} train clips, of which {len(rows)} are in "
            f"{manifest_tsv}; expected all of them and at least one"
        )
    return dict(zip(rows["utt"], rows["label"], strict=True))
