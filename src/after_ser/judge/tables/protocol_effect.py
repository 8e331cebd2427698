"""What the released code's protocol, and each of its switches alone, does to the scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.cells import at_budget, of_arm, percent, unique_labels, values
from after_ser.judge.config import requested
from after_ser.judge.statistics import fold_means, paired_difference, summarise
from after_ser.judge.tables import provenance, published
from after_ser.judge.tables.table import Table, cell, frame

METRICS = ("UA", "WA")
#: Settings of an arm that a reader must know of where two arms differ, the protocol's aside.
OF_AN_ARM = ("start", "init", "strategy", "schedule", "split")
OTHER_TEST = "other test clips: not paired"


def differences(config: Mapping[str, Any], arm: str, baseline: str) -> list[str]:
    """Return "setting value (the baseline's)" for everything in which two arms differ."""

    def settings(name: str) -> dict[str, Any]:
        own = config["arms"][name]
        protocol = config.get("protocols", {}).get(own["protocol"], {})
        return {key: own.get(key) for key in OF_AN_ARM} | {
            key: value for key, value in protocol.items() if key != "keep_models"
        }

    def text(value: Any) -> str:
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)

    mine, other = settings(arm), settings(baseline)
    return [
        f"{key} {text(value)} ({text(other.get(key))})"
        for key, value in mine.items()
        if value != other.get(key)
    ]


def _unpaired(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, Any]:
    """Return the difference of two arms' means that were tested on different clips."""
    summary = summarise(first)
    if first.empty or second.empty:
        return summarise(first.iloc[:0])
    mean = float(fold_means(first).mean() - fold_means(second).mean())
    return summary | {"mean": mean, "sd": None, "ci_low": None, "ci_high": None, "note": OTHER_TEST}


def protocol_effect(
    config: Mapping[str, Any],
    scores: pd.DataFrame,
    overlaps: pd.DataFrame,
    summaries: Iterable[str | Path] = (),
) -> Table:
    """Return the table: a row per arm, and at every fraction its scores and how it got them.

    overlaps: see `select.overlap.selection_overlaps`. At each fraction stand UA and WA
    (percent), their difference to the baseline in points, paired by fold and seed, the share of
    train that was really labelled, and the share of the round's query that is the true top k. An
    arm of another split has other test clips, so that its difference has no interval.
    """
    wanted = config["tables"]["protocol_effect"]
    baseline, budgets = wanted["baseline"], wanted["budgets"]
    arms = [baseline, *(arm for arm, _ in requested(dict(wanted)) if arm != baseline)]
    names = unique_labels(config, arms)
    runs = {arm: of_arm(scores, config, wanted, arm) for arm in arms}
    split = {arm: config["arms"][arm].get("split", "paper") for arm in arms}
    cells, used, chances = [], [], []
    for arm in arms:
        for budget in budgets:
            row, column = names[arm], percent(budget)
            here, base = at_budget(runs[arm], budget), at_budget(runs[baseline], budget)
            used.append(here)
            for metric in METRICS:
                own = values(here, metric.lower(), 100)
                cells.append(cell(row, column, metric, summarise(own)))
                summary: dict[str, Any] | None = {"note": "the baseline"}
                if arm != baseline:
                    paired = split[arm] == split[baseline]
                    difference = paired_difference if paired else _unpaired
                    summary = difference(own, values(base, metric.lower(), 100))
                cells.append(cell(row, column, f"d{metric}", summary))
            share = here.assign(share=here["labelled"] / here["n_train"])
            summary = summarise(values(share, "share", 100))  # a setting: nothing to be unsure of
            summary |= {"sd": None, "ci_low": None, "ci_high": None}
            cells.append(cell(row, column, "labelled", summary))
            query = at_budget(overlaps[overlaps["arm"] == arm], budget)
            if not query.empty:
                chances.append(query["chance"])
                summary = summarise(values(query, "overlap", 100))
                cells.append(cell(row, column, "overlap", summary))
    rows_used = pd.concat(used)
    return Table(
        title=f"Protocol effect: the released code, switch by switch ({wanted['dataset']})",
        row_title="Protocol",
        cells=frame(cells),
        notes=provenance.own_notes(
            config,
            wanted["dataset"],
            rows_used,
            provenance.coverage_note(rows_used, published.budgets(4)),
            provenance.untrained_note(rows_used),
            provenance.tapt_note(summaries),
        ),
        footnotes=[
            *_described(config, arms, names),
            *_explained(names, split, baseline, chances),
        ],
    )


def _described(config: Mapping[str, Any], arms: list[str], names: Mapping[str, str]) -> list[str]:
    lines = []
    for arm in arms[1:]:
        found = differences(config, arm, arms[0])
        what = f"differs in {', '.join(found)}" if found else "differs in nothing"
        lines.append(f"{names[arm]} {what}.")
    if lines:
        lines[0] += f" In brackets: {names[arms[0]]}."
    return lines


def _explained(
    names: Mapping[str, str], split: Mapping[str, str], baseline: str, chances: list[pd.Series]
) -> list[str]:
    lines = [
        f"Differences are to {names[baseline]} at the fraction of the same title, paired by fold "
        "and seed; their intervals are not corrected for how many there are, and no test is made.",
        "Labelled: the share of train that the model of that title was trained on.",
    ]
    apart = [names[arm] for arm in names if split[arm] != split[baseline]]
    if apart:
        lines.append(
            f"Tested on other clips than {names[baseline]} (split): {', '.join(apart)}. Their "
            "difference is that of two means, not a paired one, and has no interval."
        )
    if chances:
        chance = pd.concat(chances)
        low, high = (f"{100 * value:.0f}" for value in (chance.min(), chance.max()))
        lines.append(
            "Overlap: share of the round's query that is among the k largest scores of its pool; "
            f"a random choice would have {low if low == high else f'{low} to {high}'} %."
        )
    return lines
