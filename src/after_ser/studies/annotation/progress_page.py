"""The page after each round: the learning curve, what more labels may bring, when to stop."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from after_ser.core.errors import InputError
from after_ser.judge.figures.style import MARKERS, PALETTE, PUBLISHED, plt, styled
from after_ser.judge.render import render
from after_ser.run.atomic import write_json, write_text
from after_ser.studies.annotation.finished_rounds import FinishedRound, criteria, read_round
from after_ser.studies.annotation.gain import Gain, expected_gain
from after_ser.studies.annotation.stopping import KAPPA, PATIENCE, UNCERTAINTY, WINDOW, Criterion
from after_ser.studies.annotation.val_curve import ValCurve, val_curve

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"
#: A fitted end above this is the bound of the fit and no finding.
CEILING = 0.999
#: Name -> (its unit: share of 1 or rounds, when it says stop, whose it is).
_ABOUT = {
    "classification change": (
        "%",
        "no prediction for an unlabelled clip changed since the round before",
        "Zhu, Wang and Hovy 2008",
    ),
    "overall uncertainty": (
        "",
        f"the mean entropy of the unlabelled clips, 1 at most, is below {UNCERTAINTY:g}",
        "Zhu, Wang and Hovy 2008; threshold of small-text",
    ),
    "stabilising predictions": (
        "",
        f"the mean kappa of the last {WINDOW} pairs of rounds is {KAPPA:g} or more",
        "Bloodgood and Vijay-Shanker 2009",
    ),
    "validation plateau": (
        "rounds",
        f"{PATIENCE} rounds in a row were not one point of UA above the best before them",
        "early stopping as in Keras, over rounds; the numbers are ours",
    ),
}


def write_progress(
    page: str | Path,
    facts: str | Path,
    folders: Sequence[str | Path],
    *,
    title: str,
    classes: Sequence[str],
    speakers: Mapping[str, str],
    next_labelled: int | None,
    name: Sequence[str | int],
) -> None:
    """Write the page and the numbers on it (JSON) about the rounds in `folders`, 0, 1, 2…

    speakers: of val clips, "" or nothing if not known. next_labelled: number of labelled clips
    after the next planned round; None if none is planned, and one as large as the last is assumed.
    name: names the random source. Raises InputError as `read_round` does, and for rounds that do
    not follow each other.
    """
    rounds = [read_round(folder, classes) for folder in folders]
    indices = [finished.index for finished in rounds]
    if indices != list(range(len(rounds))):
        given = ", ".join(map(str, indices))
        raise InputError(f"{page}: rounds {given}; expected 0, 1, 2… in this order")
    curve = val_curve([finished.val for finished in rounds], speakers, *name)
    labelled = [finished.labelled for finished in rounds]
    planned = next_labelled is not None
    if next_labelled is None:
        step = labelled[-1] - labelled[-2] if len(rounds) > 1 else 0
        next_labelled = min(labelled[-1] + step, rounds[-1].n_train)
    gain = expected_gain(np.array(labelled), curve.ua, curve.drawn, next_labelled, *name)
    by_name = criteria(rounds, [float(value) for value in curve.ua])
    content = _facts(rounds, curve, gain, planned, by_name)
    write_json(facts, content)
    write_text(page, _page(title, curve, gain, by_name, content))


def _facts(
    rounds: Sequence[FinishedRound],
    curve: ValCurve,
    gain: Gain,
    planned: bool,
    by_name: Mapping[str, Criterion],
) -> dict[str, Any]:
    low, high = curve.band
    table = []
    for index, finished in enumerate(rounds):
        row: dict[str, Any] = {
            "round": finished.index,
            "labelled": finished.labelled,
            "ua": float(curve.ua[index]),
            "ci_low": float(low[index]),
            "ci_high": float(high[index]),
        }
        if index:
            names = ("gain", "gain_low", "gain_high")
            row |= dict(zip(names, curve.gain(index), strict=True))
        table.append(row)
    return {
        "rounds": table,
        "val": {
            "n": len(rounds[-1].val),
            "drawn": curve.clusters,
            "n_drawn": curve.n_clusters,
            "note": curve.note,
        },
        "next": {**vars(gain), "planned": planned},
        "criteria": {
            name: {
                "value": criterion.value,
                "threshold": criterion.threshold,
                "stop": criterion.met,
                "note": criterion.note,
                "history": list(criterion.history),
            }
            for name, criterion in by_name.items()
        },
    }


def _percent(value: float, signed: bool = False) -> str:
    return f"{100 * value:{'+' if signed else ''}.1f}".replace("-", "−")


def _interval(low: float, high: float, signed: bool = False) -> str:
    return f"[{_percent(low, signed)}, {_percent(high, signed)}]"


def _value(name: str, value: float | None) -> str:
    unit = _ABOUT[name][0]
    if value is None:
        return "–"
    if unit == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.0f} {unit}" if unit else f"{value:.3f}"


def _image(figure: Figure) -> str:
    """Return a figure as the address of an image that is in the page itself."""
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(text.getvalue().encode()).decode()}"


def _page(
    title: str,
    curve: ValCurve,
    gain: Gain,
    by_name: Mapping[str, Criterion],
    content: Mapping[str, Any],
) -> str:
    labelled = [row["labelled"] for row in content["rounds"]]
    units = {name: _ABOUT[name][0] for name in by_name}
    with styled():
        images = {
            "curve": _image(curve_figure(labelled, curve, gain)),
            "history": _image(criteria_figure(by_name, units)),
        }
    return render(
        "progress.html",
        "after_ser.studies.annotation",
        title=title,
        policy=_POLICY,
        last=content["rounds"][-1],
        stop=sum(criterion.met is True for criterion in by_name.values()),
        unknown=sum(criterion.met is None for criterion in by_name.values()),
        about=_ABOUT,
        highest=CEILING,
        percent=_percent,
        interval=_interval,
        value=_value,
        **images,
        **content,
    )


def curve_figure(labelled: Sequence[int], curve: ValCurve, gain: Gain) -> Figure:
    """Return UA on val (%) by labelled clips, its band, and the next round if it can be said."""
    figure, axes = plt.subplots(figsize=(8, 3.6))
    colour, low_high = PALETTE[0], 100 * np.stack(curve.band)
    axes.fill_between(labelled, *low_high, color=colour, alpha=0.18, linewidth=0, label="95 % band")
    axes.plot(labelled, 100 * curve.ua, color=colour, marker=MARKERS[0], label="UA on val")
    if len(labelled) == 1:  # a band of one round has no area
        axes.vlines(labelled, *low_high, color=colour, alpha=0.4, linewidth=6)
    if gain.score is not None and gain.mean is not None:
        now = 100 * (gain.score - gain.mean)
        ends = [100 * (gain.score - gain.mean + value) for value in (gain.low or 0, gain.high or 0)]
        following = [labelled[-1], gain.labelled]
        axes.plot(following, [now, 100 * gain.score], "--", color=PALETTE[1], label="drawn on")
        axes.vlines(gain.labelled, ends[0], ends[1], color=PALETTE[1])
        axes.plot(gain.labelled, 100 * gain.score, MARKERS[2], color=PALETTE[1])
    axes.set_xlabel("labelled clips")
    axes.set_ylabel("UA on val (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="best")
    return figure


def criteria_figure(criteria: Mapping[str, Criterion], units: Mapping[str, str]) -> Figure:
    """Return each criterion's values by round in a panel of its own, with its threshold.

    units: "%" (values are fractions), "rounds" or "" by criterion.
    """
    figure, panels = plt.subplots(2, 2, figsize=(8, 5), layout="constrained")
    for axes, (name, criterion) in zip(panels.flat, criteria.items(), strict=True):
        scale = 100 if units[name] == "%" else 1
        points = [(i, scale * v) for i, v in enumerate(criterion.history) if v is not None]
        if points:
            axes.plot(*zip(*points, strict=True), color=PALETTE[0], marker=MARKERS[0])
        else:
            axes.text(0.5, 0.5, "no value yet", transform=axes.transAxes, ha="center", va="center")
        axes.axhline(scale * criterion.threshold, color=PUBLISHED, linestyle="--", linewidth=1.2)
        unit = f" ({units[name]})" if units[name] else ""
        axes.set_title(f"{name.capitalize()}{unit}")
        axes.set_xlim(-0.3, max(len(criterion.history) - 1, 1) + 0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("round")
    return figure
