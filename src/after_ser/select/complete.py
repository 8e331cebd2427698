"""Files of active learning that were cut between two lines: found where their clips are known."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.run.atomic import AGAIN, read_json, read_tsv
from after_ser.select.budget import labelled_count


def expect_labelled(
    path: Path, labelled: pd.DataFrame, fraction: float, n_train: int, queried: bool
) -> None:
    """Refuse a labelled.tsv that lacks clips.

    A round that `queried` ends with the clips of the query.tsv beside it (nothing is known where
    that is gone); any other labels `fraction` of the fold's `n_train` clips. Where people answered,
    answers.json beside it says how many they are. Raises InputError.
    """
    people = path.with_name("answers.json")
    if people.exists():
        counted = read_json(people)["labelled"]
        if len(labelled) != counted:
            raise InputError(
                f"{path}: {len(labelled)} clips; expected {counted}, as {people} says; {AGAIN}"
            )
        return
    if queried:
        query = path.with_name("query.tsv")
        asked = set(read_tsv(query)["utt"]) if query.exists() else set()
        lost = len(asked - set(labelled["utt"]))
        if lost:
            raise InputError(
                f"{path}: {lost} clips of {len(asked)} in query.tsv are not labelled; expected "
                f"every one; {AGAIN}"
            )
        return
    expected = labelled_count(fraction, n_train)
    if len(labelled) != expected:
        raise InputError(
            f"{path}: {len(labelled)} clips; expected {expected}, {fraction:g} of the fold's "
            f"{n_train} train clips; {AGAIN}"
        )


def expect_pool(
    path: Path, pool: pd.DataFrame, known: pd.DataFrame, known_path: Path, fold_path: Path
) -> None:
    """Refuse a pool.tsv, labelled.tsv or fold that lacks clips: pool and known make up train.

    Raises InputError that names the files, of which one has been cut.
    """
    fold = read_tsv(fold_path)
    train = set(fold.loc[fold["split"] == "train", "utt"])
    either = set(pool["utt"]) | set(known["utt"])
    if either != train or len(pool) + len(known) != len(train):
        raise InputError(
            f"{path}: {len(pool)} clips, and {len(known)} in {known_path}; expected the "
            f"{len(train)} train clips of {fold_path} together; one of the three is not whole: "
            f"{AGAIN}"
        )
