"""A table as tidy rows, and its writers: TSV, Markdown, LaTeX (booktabs) and HTML."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.reporting.escape import markdown_text, one_line
from after_ser.reporting.escape import tex_text as _tex
from after_ser.runtime.atomic import read_tsv, write_text, write_tsv

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
class Table:
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

    def write(
        self,
        tsv: str | Path,
        md: str | Path,
        tex: str | Path,
        html: str | Path,
        time: str | Path | None = None,
    ) -> None:
        """Write the table in its four forms, and to `time` what only the renderings show.

        The TSV is the same to the byte for the same scores.
        """
        tidy = [self.cells] if self.tsv_only is None else [self.cells, self.tsv_only]
        rows = pd.concat(tidy, ignore_index=True)
        for name in rows.columns.intersection(P_VALUES):  # six decimals would print a small p as 0
            rows[name] = [None if math.isnan(p) else f"{p:.6g}" for p in rows[name]]
        write_tsv(tsv, rows)
        if time is not None:
            write_tsv(time, self.rendered_only)
        write_text(md, markdown(self))
        write_text(tex, latex(self))
        write_text(html, html_page(self))


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


@dataclass
class _Grid:
    rows: list[str]
    heads: list[tuple[str, list[str]]]  # column heading, its metrics
    cells: dict[tuple[str, str, str], list[str]]


def _grid(table: Table) -> _Grid:
    cells = table.cells
    if table.rendered_only is not None:
        cells = pd.concat([cells, table.rendered_only], ignore_index=True)
    heads: dict[str, list[str]] = {}
    for column, metric in zip(cells["column"], cells["metric"], strict=True):
        metrics = heads.setdefault(str(column), [])
        if metric not in metrics:
            metrics.append(str(metric))
    lines = table.lines or cell_lines
    texts = {
        (str(row["row"]), str(row["column"]), str(row["metric"])): lines(row)
        for row in cells.to_dict("records")
    }
    return _Grid(list(dict.fromkeys(cells["row"].astype(str))), list(heads.items()), texts)


def _heading(metric: str) -> str:
    return HEADINGS.get(metric, metric)


def markdown(table: Table) -> str:
    """Return the table as GitHub Markdown."""
    grid = _grid(table)
    keys = [(column, metric) for column, metrics in grid.heads for metric in metrics]
    heads = [markdown_text(f"{column}: {_heading(metric)}") for column, metric in keys]
    notes = [f"- {markdown_text(note)}" for note in table.notes]
    lines = [f"**{markdown_text(table.title)}**", "", *notes, ""]
    lines.append(f"| {' | '.join([markdown_text(table.row_title), *heads])} |")
    lines.append(f"|{'|'.join(['---', *('---:' for _ in keys)])}|")
    for row in grid.rows:
        texts = [" · ".join(grid.cells.get((row, *key), [NO_RUN])) for key in keys]
        lines.append(f"| {' | '.join(markdown_text(text) for text in (row, *texts))} |")
    if table.footnotes:
        lines += ["", *(f"- {markdown_text(note)}" for note in table.footnotes)]
    return "\n".join(lines) + "\n"


def latex(table: Table) -> str:
    """Return the table as a LaTeX `table`; the document needs the package booktabs."""
    grid = _grid(table)
    width = sum(len(metrics) for _, metrics in grid.heads)
    tops, rules, left = [], [], 2
    for column, metrics in grid.heads:
        tops.append(rf"\multicolumn{{{len(metrics)}}}{{c}}{{{_tex(column)}}}")
        rules.append(rf"\cmidrule(lr){{{left}-{left + len(metrics) - 1}}}")
        left += len(metrics)
    subs = [_tex(_heading(metric)) for _, metrics in grid.heads for metric in metrics]
    body = []
    for row in grid.rows:
        texts = []
        for column, metrics in grid.heads:
            for metric in metrics:
                first, *rest = map(_tex, grid.cells.get((row, column, metric), [NO_RUN]))
                stack = r"\\".join([first, *(rf"{{\scriptsize {text}}}" for text in rest)])
                texts.append(rf"\shortstack{{{stack}}}" if rest else first)
        body.append(f"{' & '.join([_tex(row), *texts])} \\\\")
    lines = [
        *(f"% {one_line(note)}" for note in (*table.notes, *table.footnotes)),
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{_tex(table.title)}}}",
        rf"\begin{{tabular}}{{l{'r' * width}}}",
        r"\toprule",
        f"{' & '.join(['', *tops])} \\\\",
        "".join(rules),
        f"{' & '.join([_tex(table.row_title), *subs])} \\\\",
        r"\midrule",
        *"\n\\addlinespace\n".join(body).split("\n"),
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize",
        *(f"{_tex(note)}\\par" for note in (*table.notes, *table.footnotes)),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


_CSS = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff;
  margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.25rem; margin: 0 0 .6rem; }
ul { margin: .4rem 0 1.2rem; padding-left: 1.2rem; color: #333; max-width: 60rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border-top: 2px solid #222; border-bottom: 2px solid #222; }
th, td { padding: .4rem .8rem; text-align: right; vertical-align: top; white-space: nowrap; }
thead tr:first-child th:first-child, tbody th { text-align: left; }
thead th[colspan] { text-align: center; }
thead tr:last-child th { border-bottom: 1px solid #222; font-weight: 600; }
tbody tr + tr > * { border-top: 1px solid #ddd; }
td span { display: block; font-variant-numeric: tabular-nums; }
.mean { font-size: 1.05em; }
.ci { color: #444; font-size: .85em; }
.paper { color: #666; font-size: .85em; }
"""


def html_page(table: Table) -> str:
    """Return the table as one self-contained HTML page."""
    grid = _grid(table)
    escape = html.escape
    top = "".join(
        f'<th colspan="{len(metrics)}" scope="colgroup">{escape(column)}</th>'
        for column, metrics in grid.heads
    )
    sub = "".join(
        f'<th scope="col">{escape(_heading(metric))}</th>'
        for _, metrics in grid.heads
        for metric in metrics
    )
    body = []
    for row in grid.rows:
        data = []
        for column, metrics in grid.heads:
            for metric in metrics:
                spans = []
                for index, text in enumerate(grid.cells.get((row, column, metric), [NO_RUN])):
                    kind = "mean" if index == 0 else "paper" if text[:5] == "paper" else "ci"
                    spans.append(f'<span class="{kind}">{escape(text)}</span>')
                data.append(f"<td>{''.join(spans)}</td>")
        body.append(f'<tr><th scope="row">{escape(row)}</th>{"".join(data)}</tr>')

    def bullets(notes: list[str]) -> list[str]:
        if not notes:
            return []
        return ["<ul>", *(f"<li>{escape(note)}</li>" for note in notes), "</ul>"]

    lines = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(table.title)}</title><style>{_CSS}</style></head><body>",
        f"<h1>{escape(table.title)}</h1>",
        *bullets(table.notes),
        '<div class="scroll"><table><thead>',
        f'<tr><th rowspan="2" scope="col">{escape(table.row_title)}</th>{top}</tr>',
        f"<tr>{sub}</tr>",
        "</thead><tbody>",
        *body,
        "</tbody></table></div>",
        *bullets(table.footnotes),
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


def read(tsv: str | Path) -> pd.DataFrame:
    """Return the tidy rows that `Table.write` left in the TSV (COLUMNS, missing numbers as NaN)."""
    texts = ("row", "column", "metric", "note")
    return read_tsv(tsv, tuple(name for name in COLUMNS if name not in texts))
