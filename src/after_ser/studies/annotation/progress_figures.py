"""The figures of the page after each round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from after_ser.judge.figures.style import MARKERS, PALETTE, PUBLISHED, plt
from after_ser.studies.annotation.gain import Gain
from after_ser.studies.annotation.stopping import Criterion
from after_ser.studies.annotation.val_curve import ValCurve


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
