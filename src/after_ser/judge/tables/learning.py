"""Whole learning curves against a random arm: area, deficiency, and the labels they need."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.cells import at_budget, of_arm, percent, unique_labels, values
from after_ser.judge.learning_curve import (
    area,
    data_utilisation,
    deficiency,
    full_data_score,
    labels_needed,
)
from after_ser.judge.statistics import summarise
from after_ser.judge.tables import provenance
from after_ser.judge.tables.significance import (
    compare,
    difference_lines,
    notes_on_tests,
    per_metric,
)
from after_ser.judge.tables.table import NO_RUN, Table, cell, cell_lines, frame, number

METRICS = ("UA", "WA")
AREA, DIFFERENCE, DEFICIENCY, LABELS = "area", "difference", "deficiency", "labels needed"
EXTRA = ("p", "p_holm", "labels", "utilisation")


def learning(
    config: Mapping[str, Any], scores: pd.DataFrame, summaries: Iterable[str | Path] = ()
) -> Table:
    """Return the table `learning`: one row per arm, the random arm first.

    Areas and differences are in percent (points), the labels needed in percent of the training
    split, by UA and WA. Holm's correction is made per metric, over the arms' differences.
    """
    wanted = config["tables"]["learning"]
    random = wanted["random"]
    names = unique_labels(config, [random, *wanted["arms"]])
    runs = {arm: of_arm(scores, config, wanted, arm) for arm in names}
    shown = {arm: _at(rows, wanted["budgets"]) for arm, rows in runs.items()}
    # the random arm's own way to its full-data score may be longer than the budgets that are shown
    longer = _at(runs[random], [*wanted["budgets"], *_full(wanted)])
    rows: list[dict[str, Any]] = []
    targets: list[str] = []
    for metric in METRICS:
        curves = {arm: _curve(part, metric) for arm, part in shown.items()}
        reference = _curve(longer, metric)
        target = full_data_score(reference)
        if target is not None:
            targets.append(f"{number(target, metric)} {metric}")
        for arm, name in names.items():
            rows += _rows(
                name, metric, curves[arm], curves[random], reference, target, arm == random
            )
    tested = [row for row in rows if row["metric"] == DIFFERENCE and row["row"] != names[random]]
    footnotes = notes_on_tests(tested, per_metric(tested, "column", METRICS))
    used = pd.concat([*shown.values(), longer]).drop_duplicates()
    return Table(
        title=f"Learning curves against {names[random]} ({wanted['dataset']})",
        row_title="Arm",
        # arms as rows, whatever the order in which they were computed
        cells=frame(sorted(rows, key=lambda row: list(names.values()).index(row["row"])), EXTRA),
        notes=provenance.header_notes(config, wanted["dataset"], used, None, summaries),
        footnotes=[*_meaning(wanted, names[random], targets), *footnotes],
        lines=_lines,
    )


def _full(wanted: Mapping[str, Any]) -> list[float]:
    return [wanted["full_data"]] if "full_data" in wanted else []


def _at(rows: pd.DataFrame, budgets: Iterable[float]) -> pd.DataFrame:
    parts = [at_budget(rows, budget) for budget in sorted(set(budgets))]
    return pd.concat(parts, ignore_index=True)


def _curve(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    extra = {"budget": rows["budget"], "labelled": rows["labelled"].astype(float)}
    return values(rows, metric.lower(), 100).assign(**extra)


def _rows(
    name: str,
    metric: str,
    curve: pd.DataFrame,
    random: pd.DataFrame,
    reference: pd.DataFrame,
    target: float | None,
    is_random: bool,
) -> list[dict[str, Any]]:
    """Return an arm's four cells of one metric; `reference` is random's longest curve."""
    tests: dict[str, Any] = {"p": None}
    if curve.empty or random.empty:
        kinds = (AREA, DIFFERENCE, DEFICIENCY, LABELS)
        return [cell(name, metric, kind, None, **tests) for kind in kinds]
    areas = area(curve)
    summary = summarise(areas)
    plain = {key: summary[key] for key in ("n", "n_folds", "n_seeds")} | {"note": ""}
    rows = [cell(name, metric, AREA, summary)]
    if is_random:
        rows.append(cell(name, metric, DIFFERENCE, plain | {"note": "the random arm"}, **tests))
    else:
        test = compare(areas, area(random))
        rows.append(cell(name, metric, DIFFERENCE, test, p=test["p"]))
    lacking = deficiency(curve, random)
    rows.append(
        cell(name, metric, DEFICIENCY, plain | {"mean": lacking["value"], "note": lacking["note"]})
    )
    if target is None:
        unknown = plain | {"note": "no full-data score of the random arm"}
        return [*rows, cell(name, metric, LABELS, unknown)]
    theirs = labels_needed(reference, target)
    ours = theirs if is_random else labels_needed(curve, target)
    if ours is None:
        last = percent(float(curve["budget"].max()))
        return [*rows, cell(name, metric, LABELS, plain | {"note": f"not reached by {last}"})]
    share = plain | {"mean": 100 * ours["budget"]}
    own = {"labels": ours["labelled"], "utilisation": data_utilisation(ours, theirs)}
    return [*rows, cell(name, metric, LABELS, share, **own)]


def _meaning(wanted: Mapping[str, Any], random: str, targets: list[str]) -> list[str]:
    budgets = sorted(wanted["budgets"])
    notes = [
        f"Area: mean score under the learning curve from {percent(budgets[0])} to "
        f"{percent(budgets[-1])} of the labels (trapezoid over the fraction). Difference: to "
        f"{random}, paired by fold and seed.",
        f"Deficiency: of the mean curve; 1 is {random}, below 1 is better. It has no interval.",
    ]
    if targets:
        return [
            *notes,
            f"Labels needed: smallest fraction run whose mean score reaches {random}'s with all "
            f"labels ({', '.join(targets)}), with the clips per fold and their share of the labels "
            f"that {random} needs. Means are compared without regard to their spread.",
        ]
    return [*notes, f"Labels needed: not known, since {random} was not run with all labels."]


def _lines(row: Mapping[str, Any]) -> list[str]:
    if row["metric"] == DIFFERENCE:
        return difference_lines(row)
    if row["metric"] == AREA or row["n"] == 0:
        return cell_lines(row)
    if math.isnan(row["mean"]):
        return [NO_RUN, str(row["note"])]
    if row["metric"] == DEFICIENCY:
        return cell_lines(row)
    lines = [percent(row["mean"] / 100), f"{row['labels']:,.0f} clips"]
    if not math.isnan(row["utilisation"]):
        lines.append(f"{row['utilisation']:.2f} of random's")
    return lines
