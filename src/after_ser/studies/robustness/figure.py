"""Figure of robustness: UA against the level of each condition, a panel each, a line per arm."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from after_ser.judge.cells import values
from after_ser.judge.figures.figure import (
    Figure,
    chosen_by_label,
    line_with_bars,
    lines_with_bars,
    measured,
    tidy,
    what_ran,
    within_percent,
)
from after_ser.judge.figures.style import MARKERS, PALETTE
from after_ser.judge.statistics import summarise
from after_ser.judge.tables import provenance
from after_ser.studies.robustness.registry import PERTURBATIONS
from after_ser.studies.robustness.table import CLEAN, headings, under

Y_TITLE = "UA (%)"
COLUMNS = [
    *["condition", "panel", "place", "level", "arm", "label"],
    *["ua", "sd", "ci_low", "ci_high", "n", "folds", "seeds"],
]


def curves(config: Mapping[str, Any], runs: pd.DataFrame) -> pd.DataFrame:
    """Return the figure's data: UA in percent by condition, level and arm.

    Each condition's curve begins with the clean clips (place 0); the levels follow in the
    config's order, which is from the easiest on.
    """
    wanted = config["tables"]["robustness"]
    rows: list[dict[str, Any]] = []
    for kind, levels in wanted["conditions"].items():
        known = PERTURBATIONS[kind]
        for arm, label in headings(config).items():
            points = [(CLEAN, ""), *((kind, f"{level:g}") for level in levels)]
            for place, (condition, level) in enumerate(points):
                shown = summarise(values(under(runs, arm, condition, level), "ua", 100))
                rows.append(
                    {
                        "condition": kind,
                        "panel": f"{known.title} ({known.unit})",
                        "place": place,
                        "level": level or CLEAN,
                        "arm": arm,
                        "label": label,
                        **measured("ua", shown),
                    }
                )
    return tidy(rows, COLUMNS)


def _looks(data: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return arm to (colour, marker)."""
    arms = list(dict.fromkeys(data["arm"]))
    return {
        arm: (PALETTE[i % len(PALETTE)], MARKERS[i // len(PALETTE) % len(MARKERS)])
        for i, arm in enumerate(arms)
    }


def _title(config: Mapping[str, Any], data: pd.DataFrame) -> tuple[str, str]:
    dataset = config["tables"]["robustness"]["dataset"]
    kind = ", synthetic speech" if provenance.synthetic_note(config, dataset) else ""
    return f"UA on test clips of {dataset} made worse{kind}", what_ran(config, data)


def _draw(figure: Any, data: pd.DataFrame) -> None:
    looks = _looks(data)
    panels = list(dict.fromkeys(data["panel"]))
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    figure.set_size_inches(3.4 * across + 0.4, 3.1 * down + 1.1)
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes in grid.ravel()[len(panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.ravel(), panels, strict=False):
        here = within_percent(data[data["panel"] == panel])
        for position, (arm, (colour, marker)) in enumerate(looks.items()):
            line = here[here["arm"] == arm]
            shift = (position - (len(looks) - 1) / 2) * 0.06
            look = {"color": colour, "marker": marker, "label": line["label"].iloc[0]}
            line_with_bars(axes, line["place"] + shift, line, "ua", **look)
        ticks = here.drop_duplicates("place")
        axes.set_xticks(list(ticks["place"]), list(ticks["level"]))
        axes.set_xlim(-0.4, max(ticks["place"].max(), 1) + 0.4)
        axes.set_title(panel, fontsize=10)
    for axes in grid[:, 0]:
        axes.set_ylabel(Y_TITLE)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=min(3, len(labels)))


def _chart(data: pd.DataFrame) -> Any:
    looks = _looks(data)
    names = data.drop_duplicates("arm").set_index("arm")["label"]
    pick, colour, shown = chosen_by_label({label: looks[arm][0] for arm, label in names.items()})
    charts = []
    for panel in dict.fromkeys(data["panel"]):
        here = within_percent(data[data["panel"] == panel])
        for name in ("n", "folds", "seeds"):
            here[name] = here[name].astype(float)
        order = list(dict.fromkeys(here.sort_values("place", kind="stable")["level"]))
        base = alt.Chart(here).encode(
            x=alt.X("level:N", sort=order, title=None, axis=alt.Axis(labelAngle=0)),
            color=colour,
            opacity=shown,
        )
        y = alt.Y("ua:Q", title=Y_TITLE, scale=alt.Scale(zero=False))
        fields = ("label", "level", "ua", "ci_low", "ci_high", "sd", "folds", "seeds")
        chart = lines_with_bars(base, pick, y, fields)
        charts.append(chart.properties(width=240, height=220, title=panel))
    charts[0] = charts[0].add_params(pick)  # one legend for all panels
    return alt.concat(*charts, columns=3).resolve_scale(y="shared")


def robustness_figure(config: Mapping[str, Any], runs: pd.DataFrame) -> Figure:
    """Return the figure from `gather_robustness`."""
    data = curves(config, runs)
    draw = partial(_draw, data=data)
    return Figure("robustness", data, *_title(config, data), draw, _chart(data))
