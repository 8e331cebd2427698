"""Recall of every class over the rounds, by fold and over folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from after_ser.judge.statistics import fold_means, summarise
from after_ser.studies.inside.gather import Run

MEAN = "UA (mean of all classes)"


def scored_split(runs: Sequence[Run]) -> str:
    """Return which split recall is shown of: test, or val where a run has no test clips."""
    tested = all((one.metrics.get("test") or {}).get("n") for run in runs for one in run.rounds)
    return "test" if tested else "val"


def recall_table(runs: Sequence[Run], classes: Sequence[str], split: str) -> pd.DataFrame:
    """Return the recall (0..1) of every class, and UA, in every round.

    Columns: value (the class or MEAN), round, budget, mean, ci_low, ci_high, n_folds, n_seeds and
    note of `summarise`, clips (of the class, each once per fold), folds (fold -> mean over its
    seeds). A class without clips in a fold has no recall there.
    """
    rows = []
    indices = sorted({one.index for run in runs for one in run.rounds})
    for value in [MEAN, *classes]:
        for index in indices:
            found, clips, budget = [], {}, 0.0
            for run in runs:
                for one in run.rounds:
                    scores = one.metrics.get(split)
                    if one.index != index or not scores:
                        continue
                    budget = one.budget
                    recall = scores["ua"] if value == MEAN else scores["recall"].get(value)
                    if recall is not None:
                        found.append({"fold": run.fold, "seed": run.seed, "value": recall})
                        clips[run.fold] = _clips(scores, value, classes)
            frame = pd.DataFrame(found, columns=["fold", "seed", "value"])
            summary = summarise(frame.astype({"value": float}))
            rows.append(
                {"value": value, "round": index, "budget": budget}
                | {key: summary[key] for key in ("mean", "ci_low", "ci_high", "n_folds", "n_seeds")}
                | {"note": summary["note"], "clips": sum(clips.values())}
                | {"folds": fold_means(frame).to_dict()}
            )
    frame = pd.DataFrame(rows)
    numbers = ["mean", "ci_low", "ci_high"]
    frame[numbers] = frame[numbers].astype(float)
    return frame


def _clips(scores: dict[str, Any], value: str, classes: Sequence[str]) -> int:
    if value == MEAN:
        return int(scores["n"])
    return int(sum(scores["confusion"][list(classes).index(value)]))
