"""The pairwise penalty matrix: at how many budgets one arm is significantly better than another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from after_ser.judge.cells import at_budget, of_arm, percent, unique_labels, values
from after_ser.judge.comparison import ALPHA, FEWEST_FOLDS, paired_t_test
from after_ser.judge.tables import provenance
from after_ser.judge.tables.table import NO_RUN, Table, cell, cell_lines, frame

PENALTY = "penalty"
WINS, LOSSES = "Row sum: wins", "Column sum: losses"
_ROUNDING = 1e-9


def penalty(
    config: Mapping[str, Any], scores: pd.DataFrame, summaries: Iterable[str | Path] = ()
) -> Table:
    """Return the table `penalty`: the matrix of UA, with row sums (wins) and column sums.

    Entries are shares of the budgets; see `penalty_matrix`.
    """
    wanted = config["tables"]["penalty"]
    names = unique_labels(config, wanted["arms"])
    parts = {
        arm: pd.concat(
            [at_budget(of_arm(scores, config, wanted, arm), b) for b in wanted["budgets"]]
        )
        for arm in names
    }
    curves = {
        names[arm]: values(rows, "ua", 100).assign(budget=rows["budget"])
        for arm, rows in parts.items()
    }
    result = penalty_matrix(curves, wanted["budgets"])
    used = pd.concat(parts.values()).drop_duplicates()
    size = {"n": len(used), "n_folds": used["fold"].nunique(), "n_seeds": used["seed"].nunique()}
    matrix, labels = result["matrix"], result["arms"]
    table = np.full((len(labels) + 1, len(labels) + 1), np.nan)
    table[:-1, :-1] = matrix
    table[:-1, -1], table[-1, :-1] = matrix.sum(axis=1), matrix.sum(axis=0)
    cells = []
    for i, row in enumerate([*labels, LOSSES]):
        for j, column in enumerate([*labels, WINS]):
            empty = math.isnan(table[i, j])
            note = _why_empty(i, j, len(labels)) if empty else ""
            value = {"mean": None if empty else float(table[i, j]), "note": note}
            metric = "sum" if column == WINS else PENALTY
            cells.append(cell(row, column, metric, size | value))
    notes = provenance.header_notes(config, wanted["dataset"], used, None, summaries)
    notes = [note for note in notes if note != provenance.interval_note(used)]  # it has none
    return Table(
        title=f"Pairwise penalty matrix of UA ({wanted['dataset']})",
        row_title="Better",
        cells=frame(cells),
        notes=[*notes, *(f"{note[0].upper()}{note[1:]}." for note in result["notes"])],
        footnotes=_footnotes(wanted),
        lines=_lines,
    )


def _why_empty(i: int, j: int, count: int) -> str:
    return "" if i == j == count else "too few folds for a test"


def _footnotes(wanted: Mapping[str, Any]) -> list[str]:
    budgets = ", ".join(percent(budget) for budget in wanted["budgets"])
    return [
        f"Entry: share of the budgets ({budgets}) at which the row's arm has a significantly "
        f"higher UA than the column's, by a two-sided paired t-test over fold means at {ALPHA:g}, "
        "as in Ash et al. (2020). A good arm has a large row sum and a small column sum.",
        "The tests are not corrected for their number: of two arms that do not differ, each is "
        f"expected to win at about {ALPHA / 2:.1%} of the budgets.".replace("%", " %"),
    ]


def _lines(row: Mapping[str, Any]) -> list[str]:
    if row["row"] == row["column"]:
        return [NO_RUN]
    return cell_lines(row)


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
