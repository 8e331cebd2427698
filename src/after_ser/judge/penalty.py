"""Pairwise penalty matrix: how often one arm is significantly better than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from after_ser.judge.comparison import ALPHA, FEWEST_FOLDS, paired_t_test

_ROUNDING = 1e-9


def penalty_matrix(curves: Mapping[str, pd.DataFrame], budgets: Sequence[float]) -> dict[str, Any]:
    """Return the arms, their penalty matrix [arms, arms] float, and notes on what it lacks.

    Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds" (BADGE),
    ICLR 2020, section 5: for every pair and budget a two-sided paired t-test at 0.05; where i is
    significantly better than j, entry [i, j] grows by 1 / number of budgets. Rows are the better
    arms, so a row's sum says how often an arm wins and a column's how often it loses (the paper
    averages columns). Their runs are independent; ours share test clips, so the test is the one
    over fold means, and like theirs it is not corrected for how many there are.

    `curves` maps an arm to [fold, seed, budget, value]. An entry is NaN where a test of its
    pair had fewer than FEWEST_FOLDS folds in common; the diagonal is 0. Pairs that do not
    differ at all at a budget (they share round 0, say) count as not significantly different.
    """
    arms = list(curves)
    matrix = np.zeros((len(arms), len(arms)))
    notes: list[str] = []
    fewest = FEWEST_FOLDS
    for i, first in enumerate(arms):
        for j in range(i + 1, len(arms)):
            for budget in budgets:
                test = paired_t_test(_at(curves[first], budget), _at(curves[arms[j]], budget))
                fewest = min(fewest, test["n_folds"])
                if test["n_folds"] < FEWEST_FOLDS:
                    matrix[i, j] = matrix[j, i] = np.nan
                elif test["p"] is None:
                    if abs(test["mean"]) > _ROUNDING:
                        notes.append(f"{first} and {arms[j]} at {budget:g}: {test['note']}")
                elif test["p"] < ALPHA:
                    better = (i, j) if test["mean"] > 0 else (j, i)
                    matrix[better] += 1 / len(budgets)
    if fewest < FEWEST_FOLDS:
        needs = f"a test over fold means needs {FEWEST_FOLDS} folds in common"
        notes.insert(0, f"not computed: {needs}, and there are {fewest}")
    return {"arms": arms, "matrix": matrix, "notes": notes}


def _at(curve: pd.DataFrame, budget: float) -> pd.DataFrame:
    return curve[(curve["budget"] - budget).abs() < 1e-6][["fold", "seed", "value"]]
