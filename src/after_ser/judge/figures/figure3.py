"""Figure 3: (A) what each method's time is made of, (B) time over the labelled ratio."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from after_ser.judge.cells import (
    arm_label,
    at_budget,
    budget_union,
    largest_at_most,
    of_arm,
    percent,
    values,
)
from after_ser.judge.figures.figure import Figure, draw_published, line_with_bars, measured, tidy
from after_ser.judge.figures.style import PALETTE, PUBLISHED, PUBLISHED_LABEL
from after_ser.judge.statistics import summarise
from after_ser.judge.tables import provenance, published

COLUMNS = [
    "panel",
    "series",
    "arm",
    "budget",
    "part",
    "minutes",
    "relative",
    "ci_low",
    "ci_high",
    "n",
    "folds",
    "seeds",
]
PARTS = {  # what a bar is stacked of: columns of times.tsv
    "TAPT": ["tapt_s"],
    "latents and initial set": ["latents_s", "initial_s"],
    "fine-tuning and queries": ["fit_s", "query_s"],
}
COLOURS = dict(zip(PARTS, (PALETTE[1], PALETTE[4], PALETTE[0]), strict=True))
TOTAL = "total"


def bars(config: Mapping[str, Any], times: pd.DataFrame) -> list[dict[str, Any]]:
    """Return panel A's rows: minutes per bar and part, and each bar's total with its interval.

    A bar stands at its budget, or at the largest one below that was run; a bar with no run is
    left out of the drawing, and its row has no minutes.
    """
    wanted = config["figures"]["figure3"]
    rows = []
    for heading, bar in wanted["bars"].items():
        runs = of_arm(times, config, wanted, bar["arm"])
        budget = largest_at_most(runs, float(bar["budget"]))
        row: dict[str, Any] = {"panel": "A", "series": heading, "arm": bar["arm"]}
        if budget is None:
            rows.append(row | {"budget": float(bar["budget"]), "part": TOTAL, "n": 0})
            continue
        here = at_budget(runs, budget)
        row["budget"] = budget
        for part, columns in PARTS.items():
            seconds = here.assign(part_s=here[columns].sum(axis=1))
            mean = summarise(values(seconds, "part_s", 1 / 60))["mean"]
            rows.append(row | {"part": part, "minutes": mean})
        rows.append(row | {"part": TOTAL} | _summary(values(here, "total_s", 1 / 60), "minutes"))
    return rows


def _summary(runs: pd.DataFrame, name: str) -> dict[str, Any]:
    return measured(name, summarise(runs))


def reference_budget(ours: list[float]) -> float | None:
    """Return the largest budget that both this run and the paper's time row have."""
    paper = published.budgets(2)
    return max((b for b in ours if any(abs(b - p) < 1e-6 for p in paper)), default=None)


def curve(config: Mapping[str, Any], times: pd.DataFrame) -> list[dict[str, Any]]:
    """Return panel B's rows: minutes, and time relative to the reference budget's (= 1).

    Hardware, corpus and model differ from the paper's, so absolute minutes cannot be compared;
    the shape can. Every fold and seed is divided by its own reference time, which is what the
    interval is of. Without a common budget nothing is relative and the paper is left out.
    """
    wanted = config["figures"]["figure3"]
    settings = wanted["curve"]
    runs = of_arm(times, config, wanted, settings["arm"])
    there = [b for b in budget_union(settings["budgets"]) if not at_budget(runs, b).empty]
    reference = reference_budget(there)
    base = at_budget(runs, reference)[["fold", "seed", "total_s"]] if reference else None
    rows = []
    for budget in there:
        here = at_budget(runs, budget)
        row: dict[str, Any] = {
            "panel": "B",
            "series": arm_label(config, settings["arm"]),
            "arm": settings["arm"],
            "budget": budget,
            "part": TOTAL,
        }
        minutes = _summary(values(here, "total_s", 1 / 60), "minutes")
        if base is None:
            rows.append(row | minutes)
            continue
        both = here.merge(base, on=["fold", "seed"], suffixes=("", "_base"))
        both["ratio"] = both["total_s"] / both["total_s_base"]
        relative = _summary(values(both, "ratio"), "relative")
        rows.append(row | {"minutes": minutes["minutes"]} | relative)
    if reference is not None and published.is_beside(config["datasets"][wanted["dataset"]]):
        paper_base = published.value("AFTER", "minutes", reference)
        for budget in published.budgets(2):
            printed = published.value("AFTER", "minutes", budget)
            if printed is None or not paper_base:
                continue
            row = {"panel": "B", "series": PUBLISHED_LABEL, "arm": "published", "part": TOTAL}
            row |= {"budget": budget, "minutes": printed, "relative": printed / paper_base}
            rows.append(row)
    return rows


def figure3_data(config: Mapping[str, Any], times: pd.DataFrame) -> pd.DataFrame:
    """Return the figure's data, panel A then B (see `bars` and `curve`); times in minutes."""
    return tidy(bars(config, times) + curve(config, times), COLUMNS)


def _bar_names(data: pd.DataFrame) -> list[str]:
    panel = data[(data["panel"] == "A") & (data["part"] == TOTAL) & data["minutes"].notna()]
    return [
        f"{row['series']}\n({percent(row['budget'])} of labels)" for row in panel.to_dict("records")
    ]


def _reference(data: pd.DataFrame) -> float | None:
    ours = data[(data["panel"] == "B") & (data["arm"] != "published")]
    return reference_budget(list(ours["budget"])) if ours["relative"].notna().any() else None


def _titles(config: Mapping[str, Any], times: pd.DataFrame, data: pd.DataFrame) -> tuple[str, str]:
    dataset = config["figures"]["figure3"]["dataset"]
    kind = ", synthetic speech" if provenance.synthetic_note(config, dataset) else ""
    used = times[times["dataset"] == dataset]
    devices = " + ".join(sorted(set(used["device"].astype(str)))) or "no run"
    folds = data["folds"].max()
    spread = "no run" if pd.isna(folds) else "one fold: no interval"
    if not pd.isna(folds) and folds > 1:
        spread = "bars: 95 % interval over folds"
    return f"Time on {dataset}{kind}", f"wall time on {devices}; {spread}"


def _draw_bars(axes: Any, data: pd.DataFrame) -> None:
    panel = data[(data["panel"] == "A") & data["minutes"].notna()]
    totals = panel[panel["part"] == TOTAL]
    places = np.arange(len(totals))
    left = np.zeros(len(totals))
    for part, colour in COLOURS.items():
        width = panel[panel["part"] == part]["minutes"].to_numpy()
        axes.barh(places, width, left=left, height=0.6, color=colour, label=part)
        left += width
    longest = max([*totals["minutes"], *totals["ci_high"].dropna()], default=1.0)
    for place, row in zip(places, totals.to_dict("records"), strict=True):
        end = row["minutes"]
        if not np.isnan(row["ci_low"]):
            half = row["ci_high"] - row["minutes"]
            axes.errorbar(end, place, xerr=half, color="#222222", capsize=3, elinewidth=1)
            end = row["ci_high"]
        axes.text(end + 0.015 * longest, place, f"{row['minutes']:,.1f}", va="center")
    axes.set_yticks(places, _bar_names(data))
    axes.set_xlim(0, 1.16 * longest)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("time (minutes)")
    axes.set_title("A  What the time is made of", fontweight="bold")
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.4, -0.16),
        ncols=3,
        fontsize=9,
        columnspacing=1.2,
        handlelength=1.2,
    )


def _draw_curve(axes: Any, data: pd.DataFrame) -> None:
    panel = data[data["panel"] == "B"]
    ours = panel[panel["arm"] != "published"]
    paper = panel[panel["arm"] == "published"]
    reference = _reference(data)
    height = "minutes" if reference is None else "relative"
    draw_published(axes, paper["budget"], paper["relative"])
    if len(ours):
        look = {"color": PALETTE[0], "marker": "o"}
        look["label"] = f"{ours['series'].iloc[0]}, this run"
        line_with_bars(axes, 100 * ours["budget"], ours, height, **look)
    axes.set_xlim(-2, 103)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("labelled training clips (%)")
    axes.set_ylabel(
        "time (minutes)"
        if reference is None
        else f"time relative to {percent(reference)} of labels"
    )
    axes.set_title("B  Time by labelled ratio", fontweight="bold")
    if axes.has_data():
        axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.16), ncols=1, fontsize=9)


def _draw(figure: Any, data: pd.DataFrame) -> None:
    figure.set_size_inches(11.5, 4.4)
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    _draw_bars(left, data)
    _draw_curve(right, data)


def _interactive_bars(data: pd.DataFrame) -> Any:
    panel = data[(data["panel"] == "A") & (data["part"] != TOTAL)].copy()
    panel["bar"] = [
        f"{name} ({percent(budget)})"
        for name, budget in zip(panel["series"], panel["budget"], strict=True)
    ]
    panel["order"] = panel["part"].map({part: place for place, part in enumerate(PARTS)})
    order = list(dict.fromkeys(panel["bar"]))
    fields = ["bar", "part", "minutes", "order"]
    return (
        alt.Chart(panel[fields])
        .mark_bar()
        .encode(
            x=alt.X("sum(minutes):Q", title="time (minutes)"),
            y=alt.Y("bar:N", sort=order, title=None, axis=alt.Axis(labelLimit=260)),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
                title=None,
                legend=alt.Legend(orient="bottom", labelLimit=260),
            ),
            order=alt.Order("order:Q"),
            tooltip=["bar", "part", alt.Tooltip("minutes:Q", format=",.2f")],
        )
        .properties(width=380, height=300, title="A  What the time is made of")
    )


def _interactive_curve(data: pd.DataFrame) -> Any:
    panel = data[data["panel"] == "B"].copy()
    reference = _reference(data)
    height = "minutes" if reference is None else "relative"
    title = "time (minutes)"
    if reference is not None:
        title = f"time relative to {percent(reference)} of labels"
    panel["labelled"] = (100 * panel["budget"]).round(4)
    panel["ci_low"] = panel["ci_low"].clip(lower=0)  # a t interval does not know that time is > 0
    ours = [name for name in dict.fromkeys(panel["series"]) if name != PUBLISHED_LABEL]
    names = [*ours, PUBLISHED_LABEL]
    base = alt.Chart(
        panel[["series", "labelled", "minutes", "relative", "ci_low", "ci_high"]]
    ).encode(
        x=alt.X("labelled:Q", title="labelled training clips (%)"),
        color=alt.Color(
            "series:N",
            scale=alt.Scale(domain=names, range=[PALETTE[0]] * len(ours) + [PUBLISHED]),
            title=None,
            legend=alt.Legend(orient="bottom", labelLimit=320, columns=1),
        ),
    )
    y = alt.Y(f"{height}:Q", title=title)
    dash = alt.Scale(domain=names, range=[[1, 0]] * len(ours) + [[8, 4]])
    lines = base.mark_line(strokeWidth=2).encode(
        y=y, strokeDash=alt.StrokeDash("series:N", scale=dash, legend=None)
    )
    points = base.mark_point(filled=True, size=55).encode(
        y=y, tooltip=["series", "labelled", "minutes", "relative", "ci_low", "ci_high"]
    )
    spread = (
        base.transform_filter("isValid(datum.ci_low)")
        .mark_rule()
        .encode(y=alt.Y("ci_low:Q", title=title), y2="ci_high:Q")
    )
    return alt.layer(spread, lines, points).properties(
        width=380, height=300, title="B  Time by labelled ratio"
    )


def figure3(config: Mapping[str, Any], times: pd.DataFrame) -> Figure:
    """Return Figure 3 from times.tsv."""
    data = figure3_data(config, times)
    chart = alt.hconcat(_interactive_bars(data), _interactive_curve(data))
    chart = chart.resolve_scale(color="independent")
    draw = partial(_draw, data=data)
    return Figure("figure3", data, *_titles(config, times, data), draw, chart)
