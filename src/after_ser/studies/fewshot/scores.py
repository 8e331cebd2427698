"""The scores of the few-shot study as one table, and the gain over the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.run.atomic import read_tsv

SCORES = ("macro_f1", "weighted_f1", "accuracy")
TASK = ["speaker", "emotion", "k", "trial"]  # what is paired between starts
NUMERIC = (
    *["sources", "k", *SCORES, "val_labels", "test", "test_positive", "best_epoch", "epochs"],
)


def gather_fewshot(config: Mapping[str, Any]) -> pd.DataFrame:
    """Return the scores of every start and target speaker of the grid, fractions.

    Raises InputError where a file is missing and where no speaker had enough clips.
    """
    from after_ser.studies.fewshot import (
        grid,  # the grid describes the workflow's files: bound late
    )

    tables = []
    for path in grid.score_files(dict(config)).values():
        if not Path(path).is_file():
            raise InputError(f"{path}: missing, expected the result of an earlier step")
        tables.append(read_tsv(path, NUMERIC))
    scores = pd.concat(tables, ignore_index=True)
    if scores.empty:
        raise InputError(
            f"fewshot: no target speaker has enough clips, see {grid.left_out_file(dict(config))}; "
            "expected smaller k, val_clips or test_clips"
        )
    return scores


def gains(scores: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return [start, sources, *TASK, *SCORES]: each start minus the baseline on the same task.

    Raises ValueError where a task has no partner or two, since then the scores are no pairs.
    """
    base = scores.loc[scores["start"] == baseline, [*TASK, *SCORES]]
    others = scores[scores["start"] != baseline]
    pairs = others.merge(base, on=TASK, suffixes=("", "_base"), validate="many_to_one")
    if len(pairs) != len(others):
        raise ValueError("a task of a start was not done from the baseline: they are no pairs")
    for name in SCORES:
        pairs[name] = pairs[name] - pairs[f"{name}_base"]
    return pairs[["start", "sources", *TASK, *SCORES]]


def by_speaker(rows: pd.DataFrame, score: str) -> pd.DataFrame:
    """Return [fold, seed, value] in points, as `summarise` takes it: the speaker as the fold.

    Fits of one speaker share their clips and are no independent evidence, so they are averaged
    within the speaker before anything is said about spread.
    """
    task = rows["start"] + " " + rows["emotion"] + " " + rows["trial"].astype(str)
    columns = {"fold": rows["speaker"], "seed": task, "value": 100 * rows[score].astype(float)}
    return pd.DataFrame(columns)
