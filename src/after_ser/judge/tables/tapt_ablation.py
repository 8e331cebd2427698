"""The TAPT ablation: none, Eq. 1, Eq. 2, both (Eq. 3), and wav2vec 2.0's own objective."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.cells import at_budget, of_arm, percent, values
from after_ser.judge.statistics import paired_difference, summarise
from after_ser.judge.tables import provenance, published
from after_ser.judge.tables.table import Table, cell, frame

METRICS = ("UA", "WA")


def tapt_ablation(
    config: Mapping[str, Any], scores: pd.DataFrame, summaries: Iterable[str | Path] = ()
) -> Table:
    """Return the table: a row per variant, UA and WA (percent) of every fold and over folds.

    The last column is the difference to the arm without TAPT in points, paired by fold and seed.
    The TSV has a row per fold and seed besides.
    """
    wanted = config["tables"]["tapt_ablation"]
    arms: dict[str, str] = wanted["arms"]
    runs = {heading: of_arm(scores, config, wanted, arm) for heading, arm in arms.items()}
    none = next(h for h, arm in arms.items() if config["arms"][arm]["start"] == "pretrained")
    folds = sorted({fold for rows in runs.values() for fold in rows["fold"]}, key=int)
    cells, single, used = [], [], []
    for budget in wanted["budgets"]:
        for heading in arms:
            row = heading if len(wanted["budgets"]) == 1 else f"{heading}, {percent(budget)}"
            here, base = (at_budget(runs[name], budget) for name in (heading, none))
            used.append(here)
            for fold in folds:
                of_fold = here[here["fold"] == fold]
                for metric in METRICS:
                    found = values(of_fold, metric.lower(), 100)
                    cells.append(cell(row, f"fold {fold}", metric, summarise(found)))
                for seed in of_fold["seed"]:
                    one = of_fold[of_fold["seed"] == seed]
                    for metric in METRICS:
                        summary = summarise(values(one, metric.lower(), 100))
                        single.append(cell(row, f"fold {fold}, seed {seed}", metric, summary))
            for metric in METRICS:
                own = values(here, metric.lower(), 100)
                cells.append(cell(row, "over folds", metric, summarise(own)))
            if heading != none and not here.empty and not base.empty:
                for metric in METRICS:
                    pair = [values(rows, metric.lower(), 100) for rows in (here, base)]
                    summary = paired_difference(*pair)
                    cells.append(cell(row, f"minus {none}", f"d{metric}", summary))
    rows_used = pd.concat(used)
    shown = ", ".join(percent(budget) for budget in wanted["budgets"])
    return Table(
        title=f"TAPT ablation at {shown} of the labels ({wanted['dataset']})",
        row_title="Objective",
        cells=frame(cells),
        notes=provenance.own_notes(
            config,
            wanted["dataset"],
            rows_used,
            provenance.coverage_note(rows_used, published.budgets(4)),
            provenance.val_note(rows_used),
            provenance.untrained_note(rows_used),
            provenance.tapt_note(summaries),
        ),
        footnotes=[_described(config, arms), _compared(config, arms, none)],
        tsv_only=frame(single),
    )


def _described(config: Mapping[str, Any], arms: Mapping[str, str]) -> str:
    """Return which objective and masks each heading stands for."""
    parts = []
    for heading, arm in arms.items():
        start = config["arms"][arm]["start"]
        variant = config["tapt"].get(start)
        if variant is None:
            parts.append(f"{heading}: the pre-trained backbone as it is")
            continue
        share = 100 * float(variant.get("mask_share", 0.15))
        parts.append(
            f"{heading}: objective {variant.get('objective', 'eq1+eq2')}, {share:g} % of frames "
            f"masked, {variant.get('steps')} steps"
        )
    return f"{'; '.join(parts)}."


def _compared(config: Mapping[str, Any], arms: Mapping[str, str], none: str) -> str:
    one = config["arms"][next(iter(arms.values()))]
    how = (
        "fitted once on a random subset"
        if one.get("schedule") == "oneshot"
        else f"labelled in rounds by {one['strategy']}"
    )
    return (
        f"Every arm is {how}. Differences to {none} are paired by fold and seed; the intervals are "
        "not corrected for how many there are, and no test is made."
    )
