"""Table 2: AFTER by labelled fraction, with the time of every step up to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.cells import (
    arm_label,
    at_budget,
    budget_union,
    of_arm,
    percent,
    values,
)
from after_ser.judge.statistics import summarise
from after_ser.judge.tables import provenance, published
from after_ser.judge.tables.table import Table, cell, frame

TIME_NOTE = (
    "Time: minutes of wall time of everything the cell needs (TAPT, latents, initial set, every "
    "query and every fit up to it), shared steps charged in full; backbone pre-training is not "
    "part of it. Resumed attempts add up."
)


def devices_note(times: pd.DataFrame) -> str:
    """Return which devices the times were measured on; the paper names none."""
    devices = sorted({name for row in times["device"] for name in str(row).split(" + ") if name})
    measured = " and ".join(devices) if devices else "no device"
    mixed = " (mixed, so not comparable with each other)" if len(devices) > 1 else ""
    return f"Times measured on {measured}{mixed}; the paper does not name its hardware."


def table2(
    config: Mapping[str, Any],
    scores: pd.DataFrame,
    times: pd.DataFrame,
    summaries: Iterable[str | Path] = (),
) -> Table:
    """Return Table 2: UA and WA (percent) and minutes at every fraction of ours or the paper's.

    Times are cells of the renderings only; `table2_time.tsv` holds them as data.
    """
    wanted = config["tables"]["table2"]
    arm = wanted["arm"]
    heading = arm_label(config, arm)
    beside = published.is_beside(config["datasets"][wanted["dataset"]])
    column = published.column_of(config["arms"][arm], config) if beside else None
    rows = of_arm(scores, config, wanted, arm)
    rows = rows[[_is_wanted(budget, wanted["budgets"]) for budget in rows["budget"]]]
    time_rows = of_arm(times, config, wanted, arm)
    paper_budgets = published.budgets(2) if beside else None
    cells, minutes = [], []
    compared = paper_budgets if paper_budgets and column == "AFTER" else []
    for budget in budget_union(wanted["budgets"], compared):
        name = percent(budget)
        here = at_budget(rows, budget)
        for metric in ("UA", "WA"):
            summary = None if here.empty else summarise(values(here, metric.lower(), 100))
            printed = published.value(column, metric, budget)
            cells.append(cell(name, heading, metric, summary, printed))
        spent = at_budget(time_rows, budget)
        spent = spent.iloc[:0] if here.empty else spent
        summary = None if spent.empty else summarise(values(spent, "total_s", 1 / 60))
        printed = published.value(column, "minutes", budget)
        minutes.append(cell(name, heading, "minutes", summary, printed))
    notes = provenance.header_notes(config, wanted["dataset"], rows, paper_budgets, summaries)
    return Table(
        title=f"Table 2. {heading} by share of labelled training clips ({wanted['dataset']})",
        row_title="Labelled",
        cells=frame(cells),
        notes=notes,
        footnotes=[TIME_NOTE, devices_note(time_rows)],
        rendered_only=frame(minutes),
    )


def _is_wanted(budget: float, schedule: Iterable[float]) -> bool:
    return any(abs(budget - float(other)) < 1e-6 for other in schedule)
