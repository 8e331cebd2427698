"""A figure as data, a static drawing (matplotlib) and an interactive one (altair), and its files.

The interactive one is one HTML file that needs no network: Vega is embedded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from after_ser.judge.figures.style import PUBLISHED, PUBLISHED_LABEL, plt, save, styled
from after_ser.judge.render import ScriptJson
from after_ser.judge.tables import provenance
from after_ser.run.atomic import write_text, write_tsv

# "Open in the Vega editor" is left out: it would send the data to another site.
_ACTIONS = {"export": True, "source": False, "compiled": False, "editor": False}
_REMOTE_SCRIPT = re.compile(r"<(?:script|link)\b[^>]*\b(?:src|href)\s*=", re.IGNORECASE)

_NUMBERS = ["ua", "value", "minutes", "relative", "sd", "ci_low", "ci_high"]
_COUNTS = ["n", "folds", "seeds", "speakers"]


@dataclass
class Figure:
    """One figure: its data, a title of two lines, and both drawings.

    name: becomes the id of the page's element. draw: draws into an empty matplotlib figure.
    chart: of altair, without its title.
    """

    name: str
    data: pd.DataFrame
    title: str
    subtitle: str
    draw: Callable[[Any], None]
    chart: Any

    def write(self, svg: str | Path, png: str | Path, html: str | Path, tsv: str | Path) -> None:
        """Write the figure as SVG, PNG, a page and its data."""
        write_tsv(tsv, self.data)
        with styled():
            figure = plt.figure(layout="constrained")
            self.draw(figure)
            figure.suptitle(f"{self.title}\n{self.subtitle}", x=0.0, ha="left", fontsize=11)
            save(figure, svg, png)
        title = alt.Title(self.title, subtitle=self.subtitle, anchor="start")
        write_html(self.chart.properties(title=title), html, self.name)


def measured(value: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of one point: its mean under the name `value`, spread and counts."""
    counts = {"n": summary["n"], "folds": summary["n_folds"], "seeds": summary["n_seeds"]}
    spread = {key: summary[key] for key in ("sd", "ci_low", "ci_high")}
    return {value: summary["mean"], **spread, **counts}


def tidy(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return a figure's data with numbers as floats and counts, which a row may lack, as Int64."""
    data = pd.DataFrame(rows, columns=list(columns))
    for name in data.columns.intersection(_NUMBERS):
        data[name] = data[name].astype(float)
    for name in data.columns.intersection(_COUNTS):
        data[name] = data[name].astype("Int64")
    return data


def within_percent(data: pd.DataFrame) -> pd.DataFrame:
    """Return the data with intervals inside 0 to 100 %, which a t interval does not know of."""
    low, high = data["ci_low"].clip(lower=0), data["ci_high"].clip(upper=100)
    return data.assign(ci_low=low, ci_high=high)


def line_with_bars(axes: Any, x: Any, rows: pd.DataFrame, value: str, **look: Any) -> None:
    """Draw column `value` of `rows` over x, with a bar from ci_low to ci_high where known."""
    bars = None
    if rows["ci_low"].notna().any():
        low, high = rows[value] - rows["ci_low"], rows["ci_high"] - rows[value]
        bars = [low.fillna(0), high.fillna(0)]
    axes.errorbar(x, rows[value], yerr=bars, elinewidth=1, capsize=2, **look)


def draw_published(axes: Any, budgets: pd.Series, values: pd.Series) -> list[Any]:
    """Draw AFTER's printed values over the labelled percentage; nothing where there are none."""
    if budgets.empty:
        return []
    line: list[Any] = axes.plot(
        100 * budgets,
        values,
        color=PUBLISHED,
        linestyle=(0, (5, 3)),
        linewidth=1.4,
        marker=".",
        label=f"AFTER, {PUBLISHED_LABEL}",
    )
    return line


def what_ran(config: Mapping[str, Any], data: pd.DataFrame) -> str:
    """Return backbone, folds and seeds in words, and what the bars are."""
    folds, seeds = int(data["folds"].max()), int(data["seeds"].max())
    spread = "bars: 95 % interval over folds" if folds > 1 else "one fold: no interval"
    return (
        f"backbone {config['backbone']}, {provenance.count(folds, 'fold')} x "
        f"{provenance.count(seeds, 'seed')}, {spread}"
    )


def chosen_by_label(colours: Mapping[str, str]) -> tuple[Any, Any, Any]:
    """Return a selection by clicking on the legend, the colours of labels, and how others fade."""
    pick = alt.selection_point(fields=["label"], bind="legend")
    names = list(colours)
    colour = alt.Color(
        "label:N",
        scale=alt.Scale(domain=names, range=list(colours.values())),
        sort=names,
        legend=alt.Legend(title="click to single out", labelLimit=320),
    )
    return pick, colour, alt.condition(pick, alt.value(1.0), alt.value(0.12))


def lines_with_bars(
    base: Any, pick: Any, y: Any, fields: Sequence[str], dash: Any = alt.Undefined, **mark: Any
) -> Any:
    """Return lines and points of `y` with bars from ci_low to ci_high; points show `fields`."""
    faint = alt.condition(pick, alt.value(0.45), alt.value(0.04))
    bars = base.transform_filter("isValid(datum.ci_low)").mark_rule(strokeWidth=1.2, **mark)
    return alt.layer(
        bars.encode(y=alt.Y("ci_low:Q"), y2="ci_high:Q", opacity=faint),
        base.mark_line(strokeWidth=2, **mark).encode(y=y, strokeDash=dash),
        base.mark_point(filled=True, size=55, **mark).encode(y=y, tooltip=list(fields)),
    )


def write_html(chart: Any, path: str | Path, name: str) -> None:
    """Write an altair chart as a self-contained page; `name` becomes the element's id.

    Raises ValueError where the page would load a script or style from elsewhere.
    """
    with alt.data_transformers.enable("default", max_rows=None):
        page = chart.to_html(
            inline=True,
            output_div=name,
            embed_options={"actions": _ACTIONS},
            json_kwds={"cls": ScriptJson},
        )
    if _REMOTE_SCRIPT.search(page):
        raise ValueError(f"{path}: the page would load a script from elsewhere")
    page = page.replace("<html>", '<html lang="en">', 1)
    page = page.replace("<head>", f"<head>\n  <title>{name}</title>", 1)
    write_text(path, page)
