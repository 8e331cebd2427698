"""Figure 2: UA over the labelled ratio, one line per arm, with AFTER's published values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from after_ser.judge.cells import arm_label, at_budget, budget_union, of_arm, values
from after_ser.judge.figures.figure import (
    Figure,
    chosen_by_label,
    draw_published,
    line_with_bars,
    lines_with_bars,
    measured,
    tidy,
    what_ran,
    within_percent,
)
from after_ser.judge.figures.style import MARKERS, PALETTE, PUBLISHED, PUBLISHED_LABEL, plt
from after_ser.judge.statistics import summarise
from after_ser.judge.tables import provenance, published

ONE_PANEL = 4  # arms; more of them get a panel per method
X_TITLE, Y_TITLE = "labelled training clips (%)", "UA (%)"
MARGIN = 15.0  # points of UA that are shown above and below the means
COLUMNS = [
    "series",
    "label",
    "init",
    "budget",
    "ua",
    "sd",
    "ci_low",
    "ci_high",
    "n",
    "folds",
    "seeds",
]


@dataclass(frozen=True)
class Look:
    """How one arm is drawn: colour and marker by method, dash by initialisation."""

    colour: str
    marker: str
    dashed: bool


def looks(config: Mapping[str, Any], arms: list[str]) -> dict[str, Look]:
    """Return the look of each arm: one colour per start and strategy, dashes for random init."""
    methods: dict[tuple[str, ...], int] = {}
    chosen = {}
    for arm in arms:
        settings = config["arms"][arm]
        method = tuple(
            str(settings.get(key)) for key in ("start", "strategy", "schedule", "protocol")
        )
        index = methods.setdefault(method, len(methods))
        dashed = settings.get("init") == "random" and settings.get("schedule") != "oneshot"
        chosen[arm] = Look(
            PALETTE[index % len(PALETTE)], MARKERS[index // len(PALETTE) % len(MARKERS)], dashed
        )
    return chosen


def curves(config: Mapping[str, Any], scores: pd.DataFrame) -> pd.DataFrame:
    """Return the figure's data: UA in percent by series and budget, arms first, paper last."""
    wanted = config["figures"]["figure2"]
    rows: list[dict[str, Any]] = []
    for arm in wanted["arms"]:
        runs = of_arm(scores, config, wanted, arm)
        for budget in budget_union(wanted["budgets"]):
            here = at_budget(runs, budget)
            if here.empty:
                continue
            rows.append(
                {
                    "series": arm,
                    "label": arm_label(config, arm),
                    "init": config["arms"][arm].get("init", ""),
                    "budget": budget,
                    **measured("ua", summarise(values(here, "ua", 100))),
                }
            )
    beside = published.is_beside(config["datasets"][wanted["dataset"]])
    for line in published.reference_line().to_dict("records") if beside else []:
        rows.append(
            {
                "series": "published",
                "label": PUBLISHED_LABEL,
                "init": "kmeans",
                "budget": line["budget"],
                "ua": line["ua"],
            }
        )
    return tidy(rows, COLUMNS)


def window(data: pd.DataFrame) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the ranges of x and y, in percent, in which the arms can be told apart.

    Arms that end at 20 % of the labels are not squeezed into a fifth of the width by the
    published line, which goes to 100 %; and one interval over two folds, which may span all of
    0 to 100 %, does not flatten the means. What lies outside is cut off.
    """
    ours = data[data["series"] != "published"]
    if ours.empty:
        ours = data
    last = 100 * float(ours["budget"].max()) if len(ours) else 100.0
    seen = data.loc[100 * data["budget"] <= 1.05 * last, "ua"]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 100.0)
    return (-0.03 * last, 1.05 * last), (max(0.0, low - MARGIN), min(100.0, high + MARGIN))


def _cut(data: pd.DataFrame) -> bool:
    """Tell whether an interval leaves the window."""
    low, high = window(data)[1]
    beyond = (data["ci_low"].clip(lower=0) < low) | (data["ci_high"].clip(upper=100) > high)
    return bool(beyond.any())


def _title(config: Mapping[str, Any], data: pd.DataFrame) -> tuple[str, str]:
    dataset = config["figures"]["figure2"]["dataset"]
    ours = data[data["series"] != "published"]
    kind = ", synthetic speech" if provenance.synthetic_note(config, dataset) else ""
    title = f"UA by labelled ratio on {dataset}{kind}"
    if ours.empty:
        return title, "no run"
    return title, what_ran(config, ours) + (", cut at the frame" if _cut(data) else "")


def _draw_published(axes: Any, data: pd.DataFrame) -> list[Any]:
    line = data[data["series"] == "published"]
    return draw_published(axes, line["budget"], line["ua"])


def _draw_arms(
    axes: Any, data: pd.DataFrame, arms: list[str], chosen: Mapping[str, Look], dodge: float
) -> None:
    """Draw the arms `dodge` percent of the width apart, so that no interval hides another."""
    left, right = window(data)[0]
    for position, arm in enumerate(arms):
        line = data[data["series"] == arm]
        look = chosen[arm]
        shift = (position - (len(arms) - 1) / 2) * dodge / 100 * (right - left)
        line_with_bars(
            axes,
            100 * line["budget"] + shift,
            within_percent(line),
            "ua",
            color=look.colour,
            marker=look.marker,
            markerfacecolor="white" if look.dashed else look.colour,
            linestyle="--" if look.dashed else "-",
            label=line["label"].iloc[0],
        )


def _draw_one_panel(figure: Any, data: pd.DataFrame, chosen: Mapping[str, Look]) -> list[Any]:
    figure.set_size_inches(9.6, 4.6)
    axes = figure.subplots()
    _draw_arms(axes, data, list(chosen), chosen, dodge=0.5)
    _draw_published(axes, data)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0)
    axes.set_xlabel(X_TITLE)
    axes.set_ylabel(Y_TITLE)
    return [axes]


def _draw_panels(figure: Any, data: pd.DataFrame, chosen: Mapping[str, Look]) -> list[Any]:
    """Draw one panel per colour, i.e. per method: many intervals in one panel hide each other."""
    groups: dict[str, list[str]] = {}
    for arm, look in chosen.items():
        groups.setdefault(f"{look.colour} {look.marker}", []).append(arm)
    across = min(3, len(groups))
    down = -(-len(groups) // across)
    figure.set_size_inches(3.6 * across, 3.5 * down)
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, arms in zip(panels, groups.values(), strict=False):
        for arm in chosen:
            if arm not in arms:
                line = data[data["series"] == arm]
                axes.plot(100 * line["budget"], line["ua"], color="#dcdcdc", linewidth=1, zorder=1)
        _draw_arms(axes, data, arms, chosen, dodge=1.2)
        paper = _draw_published(axes, data)
        handles, labels = axes.get_legend_handles_labels()
        own = [(one, text) for one, text in zip(handles, labels, strict=True) if one not in paper]
        axes.legend(
            [one for one, _ in own],
            [text for _, text in own],
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            fontsize=9,
            borderaxespad=0.2,
        )
    for axes in panels[len(groups) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(groups) - across) : len(groups)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel(X_TITLE, fontsize=10)
    figure.supylabel(Y_TITLE, fontsize=10)
    grey = plt.Line2D([], [], color="#dcdcdc", label="the other arms")
    figure.legend(
        handles=[*paper, grey], loc="upper left", bbox_to_anchor=(0.0, -0.005), ncols=2, fontsize=9
    )
    return list(panels)


def _draw(figure: Any, data: pd.DataFrame, chosen: Mapping[str, Look]) -> None:
    draw = _draw_one_panel if len(chosen) <= ONE_PANEL else _draw_panels
    panels = draw(figure, data, chosen)
    across, upright = window(data)
    panels[0].set_xlim(across)
    panels[0].set_ylim(upright)


def _chart(data: pd.DataFrame, chosen: Mapping[str, Look]) -> Any:
    frame = within_percent(data).assign(labelled=(100 * data["budget"]).round(4))
    frame["label"] = frame["label"].where(
        frame["series"] != "published", f"AFTER, {PUBLISHED_LABEL}"
    )
    names = frame.drop_duplicates("series").set_index("series")["label"]
    for name in ("n", "folds", "seeds"):
        frame[name] = frame[name].astype(float)  # altair writes a float's NaN as null
    colours = {names[arm]: look.colour for arm, look in chosen.items()}
    dashes = [[5, 3] if look.dashed else [1, 0] for look in chosen.values()]
    if "published" in names:
        colours[names["published"]] = PUBLISHED
        dashes.append([8, 4])
    pick, colour, shown = chosen_by_label(colours)
    across, upright = window(data)
    base = alt.Chart(frame).encode(
        x=alt.X("labelled:Q", title=X_TITLE, scale=alt.Scale(domain=across, nice=False)),
        color=colour,
        opacity=shown,
    )
    y = alt.Y("ua:Q", title=Y_TITLE, scale=alt.Scale(domain=upright, nice=False))
    order = list(colours)
    dash = alt.StrokeDash(
        "label:N", scale=alt.Scale(domain=order, range=dashes), sort=order, legend=None
    )
    fields = ("label", "labelled", "ua", "ci_low", "ci_high", "sd", "folds", "seeds")
    chart = lines_with_bars(base, pick, y, fields, dash, clip=True)
    return chart.add_params(pick).properties(width=620, height=400)


def figure2(config: Mapping[str, Any], scores: pd.DataFrame) -> Figure:
    """Return Figure 2 from scores.tsv."""
    data = curves(config, scores)
    chosen = looks(config, [name for name in dict.fromkeys(data["series"]) if name != "published"])
    draw = partial(_draw, data=data, chosen=chosen)
    return Figure("figure2", data, *_title(config, data), draw, _chart(data, chosen))
