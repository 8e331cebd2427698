"""Table 4: the ablation of TAPT and active learning, arm by arm at equal budgets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.cells import at_budget, budget_union, of_arm, percent, values
from after_ser.judge.comparison import ALPHA
from after_ser.judge.statistics import summarise
from after_ser.judge.tables import provenance, published
from after_ser.judge.tables.significance import DAGGER, compare, correct, notes_on_tests, p_values
from after_ser.judge.tables.table import Table, cell, frame, interval, number

METRICS = ("UA", "WA")
TESTS = ("p", "p_holm")


def _contrasts(columns: Mapping[str, str], config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (heading of an active arm, heading of random from the same start)."""
    pairs = []
    for heading, arm in columns.items():
        settings = config["arms"][arm]
        if settings["strategy"] == "random":
            continue
        for other, random_arm in columns.items():
            random = config["arms"][random_arm]
            if random["strategy"] == "random" and random["start"] == settings["start"]:
                pairs.append((heading, other))
    return pairs


def _published_difference(
    first: str | None, second: str | None, metric: str, budget: float
) -> float | None:
    a, b = (published.value(column, metric, budget) for column in (first, second))
    return None if a is None or b is None else a - b


def table4(
    config: Mapping[str, Any], scores: pd.DataFrame, summaries: Iterable[str | Path] = ()
) -> Table:
    """Return Table 4: UA and WA (percent) of each column's arm at every fraction.

    Below it, for every active arm whose start has a random arm too, the difference of the two
    at equal budget, paired by fold and seed, with its interval and test, corrected over all
    such tests of the table; the TSV holds the same rows.
    """
    wanted = config["tables"]["table4"]
    columns: dict[str, str] = wanted["columns"]
    schedule = budget_union(wanted["budgets"])
    runs = {heading: of_arm(scores, config, wanted, arm) for heading, arm in columns.items()}
    beside = published.is_beside(config["datasets"][wanted["dataset"]])
    printed = {
        heading: published.column_of(config["arms"][arm], config) if beside else None
        for heading, arm in columns.items()
    }
    paper_budgets = published.budgets(4) if beside else None
    cells, used = [], []
    for budget in budget_union(schedule, paper_budgets or []):
        for heading in columns:
            here = at_budget(runs[heading], budget)
            here = here if budget in schedule else here.iloc[:0]
            used.append(here)
            for metric in METRICS:
                summary = None if here.empty else summarise(values(here, metric.lower(), 100))
                value = published.value(printed[heading], metric, budget)
                cells.append(cell(percent(budget), heading, metric, summary, value))
        for column in published.TABLE4_COLUMNS:  # what the paper has and this config leaves out
            if beside and column not in printed.values():
                for metric in METRICS:
                    value = published.value(column, metric, budget)
                    cells.append(cell(percent(budget), f"{column} (no arm)", metric, None, value))
    by_contrast: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for heading, other in _contrasts(columns, config):
        name = f"{heading} minus {other}"
        for metric in METRICS:
            rows = []
            for budget in schedule:
                pair = [
                    values(at_budget(runs[one], budget), metric.lower(), 100)
                    for one in (heading, other)
                ]
                if not any(part.empty for part in pair):
                    paper = _published_difference(printed[heading], printed[other], metric, budget)
                    test = compare(*pair)
                    rows.append(cell(percent(budget), name, metric, test, paper, p=test["p"]))
            by_contrast[name, metric] = rows
    differences = [row for rows in by_contrast.values() for row in rows]
    correct(differences)
    footnotes = [
        f"{name} at equal budget, {metric}, {_in_words(frame(rows, TESTS))}."
        for (name, metric), rows in by_contrast.items()
        if rows
    ]
    if footnotes:
        footnotes.append("Differences are in percentage points, paired by fold and seed.")
        tests = provenance.count(sum(row["p"] is not None for row in differences), "test")
        footnotes += notes_on_tests(differences, f"the {tests} of this table, UA and WA together")
    rows_used = pd.concat(used).drop_duplicates() if used else scores.iloc[:0]
    return Table(
        title=f"Table 4. Ablation: start and selection at equal budgets ({wanted['dataset']})",
        row_title="Labelled",
        cells=frame(cells),
        notes=provenance.header_notes(
            config, wanted["dataset"], rows_used, paper_budgets, summaries
        ),
        footnotes=footnotes,
        tsv_only=frame(differences, TESTS),
    )


def _in_words(rows: pd.DataFrame) -> str:
    """Return "mean difference [interval] 10 %: +1.2 [-0.3, 2.7], p 0.1, ...; 20 %: ..."."""
    parts = []
    for row in rows.to_dict("records"):
        mark = DAGGER if row["p_holm"] < ALPHA else ""
        value = f"{number(row['mean'], row['metric'], signed=True)}{mark}"
        text = f"{row['row']}: {value} {interval(row)}".strip()
        if not math.isnan(row["p"]):
            text += f", {p_values(row)}"
        if not math.isnan(row["published"]):
            text = f"{text}, paper {number(row['published'], row['metric'], signed=True)}"
        parts.append(text)
    return f"mean difference [interval] {'; '.join(parts)}"
