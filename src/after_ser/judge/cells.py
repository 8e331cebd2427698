"""Which rows of scores.tsv and times.tsv belong to one cell of a table or point of a figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.judge.gather import KEYS, NUMERIC
from after_ser.run.atomic import read_tsv

SETTINGS = ("split", "protocol", "backbone")
SAME_BUDGET = 1e-6  # scores.tsv holds six decimals


def read_cells(path: str | Path) -> pd.DataFrame:
    """Return scores.tsv or times.tsv with numbers as numbers and fold and seed as text."""
    header = read_tsv(path).columns
    missing = [name for name in KEYS if name not in header]
    if missing:
        raise InputError(f"{path}: column {missing[0]} missing, expected scores.tsv or times.tsv")
    return read_tsv(path, tuple(name for name in header if name in NUMERIC))


def percent(budget: float) -> str:
    """Return a label fraction as text, e.g. "20 %"."""
    return f"{round(100 * budget, 4):g} %"


def arm_label(config: Mapping[str, Any], arm: str) -> str:
    """Return the arm's label; raises InputError where the config has no such arm."""
    try:
        return str(config["arms"][arm].get("label", arm))
    except KeyError:
        raise InputError(
            f"arm {arm!r} of a table or figure is not defined, expected one of "
            f"{', '.join(config['arms'])} (config key arms)"
        ) from None


def unique_labels(config: Mapping[str, Any], arms: Iterable[str]) -> dict[str, str]:
    """Return the label of each arm; arms that share one get their id behind it."""
    labels = {arm: arm_label(config, arm) for arm in arms}
    shared = [label for label in labels.values() if list(labels.values()).count(label) > 1]
    return {arm: f"{name} ({arm})" if name in shared else name for arm, name in labels.items()}


def of_arm(
    frame: pd.DataFrame, config: Mapping[str, Any], wanted: Mapping[str, Any], arm: str
) -> pd.DataFrame:
    """Return the rows of one arm on the dataset of `wanted` (a table's or figure's settings).

    Where an arm was run under several splits, protocols or backbones, the one named in
    `wanted` or else in the config is taken, so that settings are never averaged together;
    raises InputError where neither decides.
    """
    arm_label(config, arm)
    rows = frame[(frame["dataset"] == wanted["dataset"]) & (frame["arm"] == arm)]
    for setting in SETTINGS:
        there = sorted(set(rows[setting]))
        chosen = wanted.get(setting, config.get(setting) if len(there) > 1 else None)
        if isinstance(chosen, str):
            rows = rows[rows[setting] == chosen]
        elif len(there) > 1:
            raise InputError(
                f"arm {arm!r} on {wanted['dataset']} was run with {setting} {' and '.join(there)}, "
                f"expected the table or figure to say which (key {setting})"
            )
    return rows


def at_budget(rows: pd.DataFrame, budget: float) -> pd.DataFrame:
    """Return the rows at one label fraction."""
    return rows[(rows["budget"] - budget).abs() < SAME_BUDGET]


def values(rows: pd.DataFrame, column: str, factor: float = 1.0) -> pd.DataFrame:
    """Return [fold, seed, value] of `column` times `factor`, as `summarise` takes it."""
    return pd.DataFrame(
        {"fold": rows["fold"], "seed": rows["seed"], "value": rows[column].astype(float) * factor}
    )


def budget_union(*schedules: Iterable[float]) -> list[float]:
    """Return all label fractions of the schedules, ascending, equal ones once."""
    return sorted({round(float(budget), 6) for schedule in schedules for budget in schedule})


def largest_at_most(rows: pd.DataFrame, limit: float) -> float | None:
    """Return the largest label fraction of `rows` that is not above `limit`, or None."""
    there = [budget for budget in budget_union(rows["budget"]) if budget <= limit + SAME_BUDGET]
    return max(there, default=None)
