"""Table of outliers: the share of clips of no use among what each arm picks, against random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.evaluation.outliers import KINDS, POOL
from after_ser.evaluation.statistics import paired_difference, summarise
from after_ser.reporting import provenance
from after_ser.reporting.cells import arm_label, at_budget, budget_union, percent, values
from after_ser.reporting.table import Table, cell, frame, interval, number


def outliers_table(
    config: Mapping[str, Any], runs: pd.DataFrame, summaries: Iterable[str | Path] = ()
) -> Table:
    """Return the share (percent) of each kind among the picks of every arm up to each budget.

    runs: `gather_outliers`. The first column is the share in the pool. Below, and as rows of the
    TSV: each arm minus the random one, paired by fold and seed, with its interval.
    """
    wanted = config["tables"]["outliers"]
    named = {arm: arm_label(config, arm) for arm in [*wanted["arms"], wanted["random"]]}
    other = wanted["random"]
    kinds = [kind for kind in KINDS if (runs[f"{POOL} {kind}"] > 0).any()]
    cells, differences, footnotes = [], [], []
    said: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for budget in budget_union(wanted["budgets"]):
        here = at_budget(runs, budget)
        whole = here[here["arm"] == other]
        for kind in kinds:
            summary = summarise(values(whole, f"{POOL} {kind}", 100))
            cells.append(cell(percent(budget), "Whole pool", kind, summary))
        for arm, label in named.items():
            own = here[here["arm"] == arm]
            for kind in kinds:
                picked = values(own, kind, 100)
                cells.append(cell(percent(budget), label, kind, summarise(picked)))
                if arm != other:
                    difference = paired_difference(picked, values(whole, kind, 100))
                    name = f"{label} minus {named[other]}"
                    row = cell(percent(budget), name, kind, difference)
                    said.setdefault((name, kind), []).append(row)
    for (name, kind), rows in said.items():
        differences += rows
        text = (
            f"{row['row']}: {number(row['mean'], kind, signed=True)} {interval(row)}".strip()
            for row in frame(rows).to_dict("records")
        )
        footnotes.append(f"{name}, {kind}, mean difference [interval] {'; '.join(text)}.")
    footnotes.append(
        "Shares are in percent of all clips labelled up to the budget, initial set included. "
        "near-duplicate: picks whose twin (a copy at another gain in faint noise, or the clip it "
        "was made from) is among the picks too. It grows with the number of picks for every "
        "strategy, so at one budget only the difference to random says something."
    )
    footnotes.append(
        "foreign: clips of another corpus with a class drawn at random. mislabelled: clips that "
        "the simulated annotators gave a wrong class. Differences are in percentage points, paired "
        "by fold and seed; intervals are not corrected for how many there are."
    )
    notes = provenance.own_notes(
        config,
        wanted["dataset"],
        runs,
        f"{provenance.count(runs['fold'].nunique(), 'fold')} x "
        f"{provenance.count(runs['seed'].nunique(), 'seed')}. The paper claims that active "
        "learning avoids noise and outliers and has no such table.",
        provenance.tapt_note(summaries) if summaries else None,
    )
    return Table(
        title=f"Outliers among the picked clips ({wanted['dataset']})",
        row_title="Labelled",
        cells=frame(cells),
        notes=notes,
        footnotes=footnotes,
        tsv_only=frame(differences) if differences else None,
    )
