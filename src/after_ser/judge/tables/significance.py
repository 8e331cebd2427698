"""Tested differences in tables: p-values, their correction, and how they are printed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from after_ser.judge.comparison import ALPHA, FEWEST_FOLDS, holm, paired_t_test
from after_ser.judge.tables.provenance import count
from after_ser.judge.tables.table import interval, number

DAGGER = "†"


def compare(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, Any]:
    """Return `paired_t_test` of two frames [fold, seed, value], without p where folds are few.

    Fewer than FEWEST_FOLDS folds are too few for a p-value to be printed; `note` says so.
    """
    test = paired_t_test(first, second)
    if test["p"] is None or test["n_folds"] >= FEWEST_FOLDS:
        return test
    return test | {"p": None, "note": joined(test["note"], f"{test['n_folds']} folds: no test")}


def joined(*notes: str) -> str:
    """Return the notes that are not empty, as one."""
    return "; ".join(note for note in notes if note)


def correct(rows: list[dict[str, Any]]) -> None:
    """Set p_holm of tidy rows that have a `p`; all of them are one family."""
    tested = [row for row in rows if "p" in row]
    adjusted = holm([row["p"] for row in tested])
    for row, p_holm in zip(tested, adjusted, strict=True):
        row["p_holm"] = p_holm


def p_text(p: float) -> str:
    """Return a p-value in three decimals, "< 0.001" below them."""
    return "< 0.001" if p < 0.0005 else f"{p:.3f}"


def difference_lines(row: Mapping[str, Any]) -> list[str]:
    """Return a tested difference's text: signed mean with its mark, interval, p-values.

    Where there is a difference and no p-value, it says "no test" in their place.
    """
    mean = number(row["mean"], str(row["metric"]), signed=True)
    if math.isnan(row["mean"]):
        return [mean]
    marked = mean + (DAGGER if row["p_holm"] < ALPHA else "")
    return [line for line in (marked, interval(row), p_values(row)) if line]


def p_values(row: Mapping[str, Any]) -> str:
    """Return "p 0.012, Holm 0.036" of a tidy row, or "no test"."""
    if math.isnan(row["p"]):
        return "no test"
    return f"p {p_text(row['p'])}, Holm {p_text(row['p_holm'])}"


def per_metric(rows: list[dict[str, Any]], key: str, metrics: Iterable[str]) -> str:
    """Correct the rows of each metric as a family of its own, and return what to call them.

    `key` is the column that holds the metric.
    """
    sizes = []
    for metric in metrics:
        own = [row for row in rows if row[key] == metric]
        correct(own)
        sizes.append(f"{sum(row['p'] is not None for row in own)} for {metric}")
    return f"this table's tests of one metric ({', '.join(sizes)})"


def notes_on_tests(rows: list[dict[str, Any]], family: str) -> list[str]:
    """Return what must be said below a table about the tests in it, or why there are none.

    `rows` are the tidy rows with a `p`, `family` names what was corrected together.
    """
    tested = [row for row in rows if row["p"] is not None]
    there = [row for row in rows if row["n"]]
    notes = []
    if tested:
        notes.append(
            "p: two-sided paired t-test over fold means (paired by fold and seed, averaged over "
            f"seeds). Holm: corrected over {family}; {DAGGER} marks a corrected p below "
            f"{ALPHA:g}. The intervals are not corrected."
        )
        untested = sum(row["p"] is None for row in there)
        if untested:
            notes.append(
                f"{count(untested, 'difference')} without a test, outside the family; column note "
                "of the TSV says why (no difference in any fold, or too few folds)."
            )
    elif there:
        folds = max(row["folds"] for row in there)
        why = f"a test over fold means needs {FEWEST_FOLDS} folds, and there"
        why = (
            f"{why} {'is' if folds == 1 else 'are'} {folds}"
            if folds < FEWEST_FOLDS
            else "the differences have no spread over folds"
        )
        notes.append(f"No p-values: {why}.")
    if there and max(row["seeds"] for row in there) == 1:
        notes.append(
            "One seed: what another seed would change is part of the spread over folds, and "
            "cannot be told apart from it."
        )
    return notes
