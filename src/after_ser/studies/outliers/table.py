"""Table of outliers: the share of useless clips among an arm's picks, compared with random."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.cells import arm_label, at_budget, budget_union, percent, values
from after_ser.judge.statistics import paired_difference, summarise
from after_ser.judge.tables import provenance
from after_ser.judge.tables.table import Table, cell, frame, interval, number
from after_ser.studies.outliers.picks import KINDS, POOL

WHOLE = "the whole pool"
#: Columns for the difference to the random arm -> names of `paired_difference`.
BESIDE = {"vs_random": "mean", "vs_low": "ci_low", "vs_high": "ci_high"}


def outliers_table(
    config: Mapping[str, Any], runs: pd.DataFrame, summaries: Iterable[str | Path] = ()
) -> Table:
    """Return the share (percent) of each kind among the picks of every arm up to each budget.

    runs: `gather_outliers`. The first row is the share in the pool. In the cells, and as rows of
    the TSV: each arm minus the random one, paired by fold and seed, with its interval.
    """
    wanted = config["tables"]["outliers"]
    named = {arm: arm_label(config, arm) for arm in [*wanted["arms"], wanted["random"]]}
    other = wanted["random"]
    kinds = [kind for kind in KINDS if (runs[f"{POOL} {kind}"] > 0).any()]
    cells: dict[str, list[dict[str, Any]]] = {}  # by row, since budgets are the columns
    differences = []
    for budget in budget_union(wanted["budgets"]):
        here, column = at_budget(runs, budget), percent(budget)
        whole = here[here["arm"] == other]
        for kind in kinds:
            share = summarise(values(whole, f"{POOL} {kind}", 100))
            cells.setdefault(WHOLE, []).append(cell(WHOLE, column, kind, share))
        for arm, label in named.items():
            own = here[here["arm"] == arm]
            for kind in kinds:
                picked = values(own, kind, 100)
                beside: dict[str, Any] = {}
                if arm != other:
                    difference = paired_difference(picked, values(whole, kind, 100))
                    name = f"{label} minus {named[other]}"
                    differences.append(cell(name, column, kind, difference))
                    beside = {more: difference.get(key) for more, key in BESIDE.items()}
                row = cell(label, column, kind, summarise(picked), **beside)
                cells.setdefault(label, []).append(row)
    footnotes = [
        f"Second line of a cell: the difference to {named[other]} in percentage points, paired by "
        "fold and seed; its intervals are not corrected for how many there are."
    ]
    footnotes.append(
        "Shares are in percent of all clips labelled up to the budget, initial set included. "
        "near-duplicate: picks whose twin (a copy at another gain in faint noise, or the clip it "
        "was made from) is among the picks too. It grows with the number of picks for every "
        "strategy, so at one budget only the difference to random says something."
    )
    footnotes.append(
        "foreign: clips of another corpus with a class drawn at random. mislabelled: clips that "
        "the simulated annotators gave a wrong class."
    )
    notes = provenance.own_notes(
        config,
        wanted["dataset"],
        runs,
        f"{provenance.folds_and_seeds(runs)}. The paper claims that active learning avoids noise "
        "and outliers and has no such table.",
        provenance.tapt_note(summaries) if summaries else None,
    )
    return Table(
        title=f"Outliers among the picked clips ({wanted['dataset']})",
        row_title="Picked by",
        cells=frame([row for rows in cells.values() for row in rows], list(BESIDE)),
        notes=notes,
        footnotes=footnotes,
        tsv_only=frame(differences, list(BESIDE)) if differences else None,
        lines=_lines,
    )


def _lines(row: Mapping[str, Any]) -> list[str]:
    metric = str(row["metric"])
    lines = [f"{number(row['mean'], metric)} {interval(row)}".rstrip()]
    if not math.isnan(row["vs_random"]):
        ends = {"metric": metric, "ci_low": row["vs_low"], "ci_high": row["vs_high"]}
        difference = number(row["vs_random"], metric, signed=True)
        lines.append(f"{difference} {interval(ends)}".rstrip())
    return lines
