"""Figure of the few-shot study: gain over the baseline, and macro-F1, by k; a line per n."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from after_ser.judge.figures.figure import (
    Figure,
    chosen_by_label,
    line_with_bars,
    lines_with_bars,
    measured,
    tidy,
)
from after_ser.judge.figures.style import MARKERS, PALETTE, PUBLISHED
from after_ser.judge.tables import provenance
from after_ser.studies.fewshot.grid import BASELINE, sizes
from after_ser.studies.fewshot.scores import gains
from after_ser.studies.fewshot.table import MAIN, heading, point, synthetic_note

GAIN = "gain in macro-F1 (points)"
LEVEL = "macro-F1 (%)"
X_TITLE = "training clips k"
COLUMNS = ["panel", "sources", "label", "k", "value", "sd", "ci_low", "ci_high", "speakers", "n"]


def curves(config: Mapping[str, Any], scores: pd.DataFrame) -> pd.DataFrame:
    """Return the figure's data: per panel, number of sources and k, the mean over speakers."""
    difference = gains(scores, BASELINE)
    lines = [(GAIN, difference, n) for n in sizes(dict(config))]
    lines += [(LEVEL, scores, n) for n in (0, *sizes(dict(config)))]
    rows: list[dict[str, Any]] = []
    for panel, frame, n in lines:
        for k in sorted(set(scores["k"])):
            here = frame[(frame["sources"] == n) & (frame["k"] == k)]
            summary = point(here, MAIN)
            rows.append(
                {"panel": panel, "sources": n, "label": heading(n), "k": int(k)}
                | measured("value", summary)
                | {"speakers": summary["speakers"]}
            )
    return tidy(rows, COLUMNS)


def _title(config: Mapping[str, Any], data: pd.DataFrame) -> tuple[str, str]:
    kind = ", synthetic speech" if synthetic_note(config) else ""
    speakers = int(data["speakers"].max())
    spread = "bars: 95 % interval over speakers" if speakers > 1 else "one speaker: no interval"
    return f"Few-shot emotion or not, target {config['fewshot']['target']['corpus']}{kind}", (
        f"backbone {config['backbone']}, {provenance.count(speakers, 'speaker')}, "
        f"{provenance.count(config['fewshot']['trials'], 'trial')}, n source corpora; {spread}"
    )


def _look(sources: int) -> tuple[str, str]:
    """Return (colour, marker) of a number of sources; the baseline is grey."""
    if sources == 0:
        return PUBLISHED, MARKERS[-1]
    return PALETTE[(sources - 1) % len(PALETTE)], MARKERS[(sources - 1) % len(MARKERS)]


def _draw(figure: Any, data: pd.DataFrame) -> None:
    ks = sorted(set(data["k"]))
    figure.set_size_inches(8.6, 4.2)
    for axes, panel in zip(figure.subplots(1, 2), (GAIN, LEVEL), strict=True):
        here = data[data["panel"] == panel]
        lines = list(dict.fromkeys(here["sources"]))
        for position, n in enumerate(lines):
            line = here[here["sources"] == n]
            colour, marker = _look(n)
            shift = (position - (len(lines) - 1) / 2) * 0.06
            places = [ks.index(k) + shift for k in line["k"]]
            look = {"color": colour, "marker": marker, "label": heading(n)}
            line_with_bars(axes, places, line, "value", **look)
        if panel == GAIN:
            axes.axhline(0, color=PUBLISHED, linewidth=1)
        axes.set_xticks(range(len(ks)), [str(k) for k in ks])
        axes.set_xlim(-0.4, max(len(ks) - 1, 1) + 0.4)
        axes.set_xlabel(X_TITLE)
        axes.set_ylabel(panel)
    handles, labels = axes.get_legend_handles_labels()  # the level's panel has every line
    figure.legend(handles, labels, loc="outside lower left", ncols=min(6, len(labels)))


def _chart(data: pd.DataFrame) -> Any:
    lines = data.drop_duplicates("sources").sort_values("sources")
    colours = {heading(n): _look(n)[0] for n in lines["sources"]}
    pick, colour, shown = chosen_by_label(colours)
    order = [str(k) for k in sorted(set(data["k"]))]
    charts = []
    for panel in (GAIN, LEVEL):
        here = data[data["panel"] == panel].astype({"k": str, "speakers": float, "n": float})
        base = alt.Chart(here).encode(
            x=alt.X("k:N", sort=order, title=X_TITLE, axis=alt.Axis(labelAngle=0)),
            color=colour,
            opacity=shown,
        )
        y = alt.Y("value:Q", title=panel, scale=alt.Scale(zero=panel == GAIN))
        fields = ("label", "k", "value", "ci_low", "ci_high", "sd", "speakers")
        charts.append(lines_with_bars(base, pick, y, fields).properties(width=300, height=260))
    charts[0] = charts[0].add_params(pick)  # one legend for both panels
    return alt.hconcat(*charts)


def fewshot_figure(config: Mapping[str, Any], scores: pd.DataFrame) -> Figure:
    """Return the figure from `gather_fewshot`."""
    data = curves(config, scores)
    draw = partial(_draw, data=data)
    return Figure("fewshot", data, *_title(config, data), draw, _chart(data))
