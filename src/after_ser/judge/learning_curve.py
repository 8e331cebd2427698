"""Summaries of a whole learning curve: area, deficiency, and the labels needed for a score.

A curve is a frame [fold, seed, budget, labelled, value]: one run per fold, seed and budget, with
`budget` the labelled fraction, `labelled` the number of clips and `value` a score of any unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_ROUNDING = 1e-9  # of a score, when asking whether a target is reached


def area(curve: pd.DataFrame) -> pd.DataFrame:
    """Return [fold, seed, value]: the normalised area under each run's learning curve.

    The trapezoid over the labelled fraction, divided by its span (the area under the budget
    curve of Zhan et al., IJCAI 2021): the mean score over the span, in the unit of `value`.
    Areas of schedules with different first or last budgets cannot be compared.
    Raises ValueError where a run lacks a budget that another has or has one twice, and where
    there are fewer than two budgets, which span nothing.
    """
    budgets = np.array(sorted(set(curve["budget"])), dtype=float)
    if len(budgets) < 2:
        raise ValueError("a learning curve needs at least two budgets")
    rows = []
    for (fold, seed), run in curve.groupby(["fold", "seed"], sort=True):
        run = run.sort_values("budget")
        if not np.array_equal(run["budget"].to_numpy(dtype=float), budgets):
            raise ValueError(f"fold {fold}, seed {seed}: not every budget exactly once")
        score = run["value"].to_numpy(dtype=float)
        rows.append((fold, seed, float(np.trapezoid(score, budgets) / np.ptp(budgets))))
    return pd.DataFrame(rows, columns=["fold", "seed", "value"])


def mean_curve(curve: pd.DataFrame) -> pd.DataFrame:
    """Return [budget, labelled, value]: mean over folds of the mean over seeds, by budget."""
    by_fold = curve.groupby(["budget", "fold"], sort=True)[["labelled", "value"]].mean()
    return by_fold.groupby("budget", sort=True).mean().reset_index()


def deficiency(curve: pd.DataFrame, random: pd.DataFrame) -> dict[str, Any]:
    """Return value (or None) and note of the curve's deficiency against the random arm's.

    Baram, El-Yaniv and Luz, "Online Choice of Active Learning Algorithms", JMLR 5 (2004). With
    A_t the mean score at budget t of T,

        deficiency = sum_t (A_T(random) - A_t(curve)) / sum_t (A_T(random) - A_t(random)),

    1 for random itself, below 1 where the curve lies above random's, below 0 where it lies on
    average above random's last score. The formula is the one that later work gives; the
    article's own text was not available to us to compare it with. It counts every budget
    alike, however far apart they are, and depends on where the schedule ends.

    None where the denominator is not positive: a random arm whose last score is no better
    than its mean has no gain to be measured against. Raises ValueError for unequal budgets.
    """
    ours, theirs = mean_curve(curve), mean_curve(random)
    if not np.array_equal(ours["budget"].to_numpy(), theirs["budget"].to_numpy()):
        raise ValueError("the two curves have unequal budgets")
    last = float(theirs["value"].iloc[-1])
    below = float((last - theirs["value"]).sum())
    if below <= _ROUNDING * abs(last):
        return {"value": None, "note": "the random arm does not rise"}
    return {"value": float((last - ours["value"]).sum()) / below, "note": ""}


def labels_needed(curve: pd.DataFrame, target: float) -> dict[str, Any] | None:
    """Return budget and labelled (clips, mean over folds) at which the mean curve reaches target.

    It is the smallest budget that was run with a mean score of at least `target`; nothing is
    interpolated, so the true number lies between it and the budget before. None where no
    budget reaches it.
    """
    mean = mean_curve(curve)
    reached = mean[mean["value"] >= target - _ROUNDING * abs(target)]
    if reached.empty:
        return None
    first = reached.iloc[0]
    return {"budget": float(first["budget"]), "labelled": float(first["labelled"])}


def full_data_score(random: pd.DataFrame) -> float | None:
    """Return the mean score at a budget of 1 (all labels), None where it was not run."""
    mean = mean_curve(random)
    full = mean[mean["budget"] >= 1 - 1e-6]
    return None if full.empty else float(full["value"].iloc[0])


def data_utilisation(needed: dict[str, Any] | None, random: dict[str, Any] | None) -> float | None:
    """Return labels needed over labels that random needs for the same score; None without both.

    The data utilisation ratio of Melville and Mooney, "Diverse Ensembles for Active Learning",
    ICML 2004; below 1 the arm needs fewer labels.
    """
    if needed is None or random is None:
        return None
    return float(needed["labelled"]) / float(random["labelled"])
