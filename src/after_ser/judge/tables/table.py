"""A table as tidy rows; LaTeX needs the package booktabs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.render import Document
from after_ser.run.atomic import read_tsv

COLUMNS = [
    "row",
    "column",
    "metric",
    "n",
    "folds",
    "seeds",
    "mean",
    "sd",
    "ci_low",
    "ci_high",
    "published",
    "difference",
    "note",
]
P_VALUES = ("p", "p_holm", "p_nb")
NO_RUN = "–"
HEADINGS = {
    "UA": "UA (%)",
    "WA": "WA (%)",
    "minutes": "time (min)",
    "penalty": "share",
    "dUA": "UA difference (points)",
    "dWA": "WA difference (points)",
    "labelled": "labelled (%)",
    "overlap": "overlap with top k (%)",
}
SIGNED = frozenset({"dUA", "dWA"})
_DECIMALS = {"deficiency": 2, "penalty": 2, "sum": 2, "left out": 0}


@dataclass
class Table(Document):
    """One table: tidy `cells` (columns COLUMNS) in the order in which they are read.

    `notes` stand above it, `footnotes` below. `rendered_only` are cells that every rendering
    shows and the TSV leaves out (times, which are not reproducible to the byte);
    `tsv_only` are rows that the renderings give in words. `lines` turns a tidy row into the
    lines of its cell, the value first (default: `cell_lines`).
    """

    title: str
    row_title: str
    cells: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    footnotes: list[str] = field(default_factory=list)
    rendered_only: pd.DataFrame | None = None
    tsv_only: pd.DataFrame | None = None
    lines: Callable[[Mapping[str, Any]], list[str]] | None = None

    template = "table"

    def data(self) -> dict[str, pd.DataFrame]:
        """Return the tidy rows, and as `time` what only the renderings show."""
        tidy = [self.cells] if self.tsv_only is None else [self.cells, self.tsv_only]
        rows = pd.concat(tidy, ignore_index=True)
        for name in rows.columns.intersection(P_VALUES):  # six decimals would print a small p as 0
            rows[name] = [None if math.isnan(p) else f"{p:.6g}" for p in rows[name]]
        return (
            {"tsv": rows}
            if self.rendered_only is None
            else {"tsv": rows, "time": self.rendered_only}
        )

    def content(self) -> dict[str, Any]:
        """Return the table as a grid: groups of columns, and rows of cells of one or more lines."""
        cells = self.cells
        if self.rendered_only is not None:
            cells = pd.concat([cells, self.rendered_only], ignore_index=True)
        groups: dict[str, dict[str, None]] = {}
        for column, metric in zip(cells["column"], cells["metric"], strict=True):
            groups.setdefault(str(column), {})[str(metric)] = None
        lines = self.lines or cell_lines
        texts = {
            (str(row["row"]), str(row["column"]), str(row["metric"])): lines(row)
            for row in cells.to_dict("records")
        }
        keys = [(column, metric) for column, metrics in groups.items() for metric in metrics]
        last = list(accumulate(map(len, groups.values()), initial=1))
        return {
            "title": self.title,
            "row_title": self.row_title,
            "notes": self.notes,
            "footnotes": self.footnotes,
            "groups": [(c, [HEADINGS.get(m, m) for m in group]) for c, group in groups.items()],
            "spans": [(before + 1, end) for before, end in pairwise(last)],
            "rows": [
                (row, [texts.get((row, *key), [NO_RUN]) for key in keys])
                for row in dict.fromkeys(cells["row"].astype(str))
            ],
        }


def cell(
    row: str,
    column: str,
    metric: str,
    summary: Mapping[str, Any] | None,
    published: float | None = None,
    note: str = "",
    **extra: Any,
) -> dict[str, Any]:
    """Return one tidy row from a `summarise` dict (None: no run), in the metric's unit.

    `extra` are values of further columns that the table has.
    """
    summary = summary or {}
    mean = summary.get("mean")
    notes = [text for text in (summary.get("note", "no run"), note) if text]
    return {
        "row": row,
        "column": column,
        "metric": metric,
        "n": summary.get("n", 0),
        "folds": summary.get("n_folds", 0),
        "seeds": summary.get("n_seeds", 0),
        "mean": mean,
        "sd": summary.get("sd"),
        "ci_low": summary.get("ci_low"),
        "ci_high": summary.get("ci_high"),
        "published": published,
        "difference": None if mean is None or published is None else mean - published,
        "note": "; ".join(notes),
        **extra,
    }


def frame(rows: list[dict[str, Any]], extra: Sequence[str] = ()) -> pd.DataFrame:
    """Return tidy rows as a frame with numbers as floats and counts as integers.

    `extra` names the table's further columns, which follow COLUMNS; empty where a row has none.
    """
    tidy = pd.DataFrame(rows, columns=[*COLUMNS, *extra])
    for name in ("mean", "sd", "ci_low", "ci_high", "published", "difference", *extra):
        tidy[name] = tidy[name].astype("Int64" if name == "speakers" else float)
    for name in ("n", "folds", "seeds"):
        tidy[name] = tidy[name].astype(int)
    return tidy


def number(value: float | None, metric: str, signed: bool = False) -> str:
    """Return `value` as text in the metric's number of decimals; NO_RUN for None or NaN."""
    if value is None or math.isnan(value):
        return NO_RUN
    signed = signed or metric in SIGNED
    decimals = 0 if metric == "clips" and float(value).is_integer() else _DECIMALS.get(metric, 1)
    if metric == "minutes" and abs(value) < 1 and not signed:
        decimals = 2
    text = f"{value:{'+' if signed else ''},.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = ("±" if signed else "") + text.lstrip("+-")
    return text.replace("-", "−")


def _published(value: float, metric: str) -> str:
    return f"{value:,.2f}" if metric in ("UA", "WA") else number(value, metric)


def interval(row: Mapping[str, Any]) -> str:
    """Return a tidy row's confidence interval as "[low, high]", "" where it has none."""
    if math.isnan(row["ci_low"]):
        return ""
    return f"[{number(row['ci_low'], row['metric'])}, {number(row['ci_high'], row['metric'])}]"


def cell_lines(row: Mapping[str, Any]) -> list[str]:
    """Return a cell's text: value, then its interval, then the paper's value and difference."""
    metric = str(row["metric"])
    lines = [number(row["mean"], metric)]
    if interval(row):
        lines.append(interval(row))
    if not math.isnan(row["published"]):
        text = f"paper {_published(row['published'], metric)}"
        if not math.isnan(row["difference"]):
            text += f" ({number(row['difference'], metric, signed=True)})"
        lines.append(text)
    return lines


def read(tsv: str | Path) -> pd.DataFrame:
    """Return the tidy rows that `write` left in the TSV (COLUMNS, missing numbers as NaN)."""
    texts = ("row", "column", "metric", "note")
    return read_tsv(tsv, tuple(name for name in COLUMNS if name not in texts))
