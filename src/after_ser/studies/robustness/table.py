"""Table of robustness: each arm's scores on degraded test clips, and its loss of UA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.judge import grid
from after_ser.judge.cells import arm_label, percent, values
from after_ser.judge.gather import KEYS
from after_ser.judge.statistics import paired_difference, summarise
from after_ser.judge.tables import provenance
from after_ser.judge.tables.table import Table, cell, frame, interval, number
from after_ser.run.atomic import read_tsv
from after_ser.studies.robustness.registry import PERTURBATIONS

METRICS = ("UA", "WA")
LOSS = "UA lost"
CLEAN = "clean"
MEASURED = ["ua", "wa", "macro_f1", "n"]
COLUMNS = [*KEYS, "condition", "level", *MEASURED]


def condition_name(kind: str, level: str) -> str:
    """Return a condition as a row's heading, e.g. "white noise, SNR 10 dB"."""
    if kind == CLEAN:
        return CLEAN
    known = PERTURBATIONS[kind]
    return f"{known.title} {level} {known.unit}"


def conditions(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (kind, level as text) of every condition, clean first, in the config's order."""
    wanted = config["tables"]["robustness"]["conditions"]
    listed = [(kind, f"{level:g}") for kind, levels in wanted.items() for level in levels]
    return [(CLEAN, ""), *listed]


def under(runs: pd.DataFrame, arm: str, kind: str, level: str) -> pd.DataFrame:
    """Return the rows of one arm under one condition."""
    chosen = (runs["arm"] == arm) & (runs["condition"] == kind) & (runs["level"] == level)
    return runs[chosen]


def headings(config: Mapping[str, Any]) -> dict[str, str]:
    """Return arm to column heading: its label and the labelled fraction of its model."""
    wanted = config["tables"]["robustness"]
    return {
        arm: f"{arm_label(config, arm)}, {percent(wanted['budget'][arm])}" for arm in wanted["arms"]
    }


def robustness_table(
    config: Mapping[str, Any], runs: pd.DataFrame, summaries: Iterable[str | Path] = ()
) -> Table:
    """Return UA and WA (percent) per condition and arm, and the UA that the condition costs.

    runs: `gather_robustness`. The loss is that of the same model against its own clean score,
    paired by fold and seed. Below, and as rows of the TSV: the first arm minus each other arm
    under each condition, paired likewise.
    """
    wanted = config["tables"]["robustness"]
    named = headings(config)
    listed = conditions(config)
    cells = []
    for kind, level in listed:
        for arm, heading in named.items():
            here = under(runs, arm, kind, level)
            for metric in METRICS:
                summary = summarise(values(here, metric.lower(), 100))
                cells.append(cell(condition_name(kind, level), heading, metric, summary))
            if kind != CLEAN:
                clean = under(runs, arm, CLEAN, "")
                lost = paired_difference(values(clean, "ua", 100), values(here, "ua", 100))
                cells.append(cell(condition_name(kind, level), heading, LOSS, lost))
    first, *others = named
    differences, footnotes = [], []
    for other in others:
        name = f"{named[first]} minus {named[other]}"
        rows = []
        for kind, level in listed:
            pair = [values(under(runs, arm, kind, level), "ua", 100) for arm in (first, other)]
            rows.append(cell(condition_name(kind, level), name, "UA", paired_difference(*pair)))
        differences += rows
        said = (
            f"{row['row']}: {number(row['mean'], 'UA', signed=True)} {interval(row)}".strip()
            for row in frame(rows).to_dict("records")
        )
        footnotes.append(f"{name}, UA, mean difference [interval] {'; '.join(said)}.")
    if footnotes:
        footnotes.append(
            "Differences are in percentage points, paired by fold and seed; the intervals are per "
            "condition and not corrected for how many there are."
        )
    footnotes.append(
        "Every model hears the same noise on the same clip, and levels of one condition differ in "
        "nothing but the level. The models were trained on clean clips."
    )
    notes = provenance.own_notes(
        config,
        wanted["dataset"],
        runs,
        f"{provenance.folds_and_seeds(runs)}; the paper has no such table.",
        provenance.tapt_note(summaries) if summaries else None,
    )
    return Table(
        title=f"Robustness: test clips of {wanted['dataset']} made worse",
        row_title="Test clips",
        cells=frame(cells),
        notes=notes,
        footnotes=footnotes,
        tsv_only=frame(differences) if differences else None,
    )


def gather_robustness(config: Mapping[str, Any]) -> pd.DataFrame:
    """Return COLUMNS, a row per model, condition and level; fold and seed as text, level as text.

    Reads the robustness.tsv of `grid.robustness_cells`. Raises InputError where one is missing or
    holds other conditions than the config.
    """
    wanted = config["tables"]["robustness"]["conditions"]
    expected = [(CLEAN, "")]
    expected += [(kind, f"{level:g}") for kind, levels in wanted.items() for level in levels]
    tables = []
    for model in grid.robustness_cells(dict(config)):
        if not Path(model.robustness).is_file():
            raise InputError(f"{model.robustness}: missing, expected the result of an earlier step")
        found = read_tsv(model.robustness, tuple(MEASURED))
        if list(zip(found["condition"], found["level"], strict=True)) != expected:
            raise InputError(
                f"{model.robustness}: other conditions than tables.robustness, expected "
                f"{', '.join(' '.join(one).strip() for one in expected)}"
            )
        key = {name: getattr(model, name) for name in KEYS}
        key |= {"fold": str(model.fold), "seed": str(model.seed)}
        tables.append(found.assign(**key)[COLUMNS])
    if not tables:
        raise InputError("tables.robustness: none of its arms has a model, expected at least one")
    return pd.concat(tables, ignore_index=True)
