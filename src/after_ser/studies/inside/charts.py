"""Small charts over rounds, one per class or corpus, that share their vertical scale.

Here everything gets its place in the SVG; the template panels.html draws it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

WIDTH, HEIGHT = 250, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, WIDTH - 8, 30, HEIGHT - 34  # ends of the plotting area


@dataclass(frozen=True)
class Point:
    """One round of a panel; everything but `tick` is a share 0..1, or None where there is none.

    tick: text below the axis; value: the dot; low, high: its interval; reference: the dashed line;
    band_low, band_high: the grey band; text: what the numbers say, as a sentence.
    """

    tick: str
    value: float | None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    band_low: float | None = None
    band_high: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Panel:
    """One small chart: a title, its points by round, and thin lines (a value per point) behind."""

    title: str
    points: Sequence[Point]
    thin: Sequence[Sequence[float | None]] = field(default_factory=tuple)


def top_of(panels: Sequence[Panel]) -> float:
    """Return the upper end of the vertical axis that all panels share: a fifth at least, 1 at most.

    Intervals may be cut at the top, so that with few folds they do not flatten everything else.
    """
    shown = [
        number
        for panel in panels
        for values in ([(p.value, p.reference, p.band_high) for p in panel.points], panel.thin)
        for row in values
        for number in row
        if number is not None and not math.isnan(number)
    ]
    return min(1.0, max(0.2, math.ceil(10 * max(shown, default=1.0) + 0.5) / 10))


def drawn(panel: Panel, top: float) -> dict[str, Any]:
    """Return what the template draws of a panel, whose vertical axis goes from 0 to `top`."""
    count = max(1, len(panel.points))
    step = (_RIGHT - _LEFT) / count
    half = min(14.0, 0.32 * step)
    placed = [(round(_LEFT + step * (i + 0.5), 1), point) for i, point in enumerate(panel.points)]
    bands = [
        (x, _y(point.band_high, top), _y(point.band_low, top))
        for x, point in placed
        if _there(point.band_low) and _there(point.band_high)
    ]
    lines = [("reference", [point.reference for point in panel.points])]
    lines += [("thin", list(values)) for values in panel.thin]
    lines += [("line", [point.value for point in panel.points])]
    # one label for each of so many that they do not overlap
    every = math.ceil(len(placed) * 32 / (_RIGHT - _LEFT)) or 1
    share = 0.1 if top <= 0.4 else 0.25 if top > 0.6 else 0.2
    return {
        "title": panel.title,
        **{"width": WIDTH, "height": HEIGHT, "left": _LEFT, "right": _RIGHT},
        **{"top": _TOP, "bottom": _BOTTOM, "step": round(step, 1)},
        "grid": [
            (_y(index * share, top), f"{100 * index * share:.0f}")
            for index in range(int(top / share + 1e-9) + 1)
        ],
        "bands": [
            (round(x - half, 1), high, round(2 * half, 1), round(max(low - high, 1.5), 1))
            for x, high, low in bands
        ],
        "lines": [
            (kind, points)
            for kind, values in lines
            for points in _pieces([x for x, _ in placed], values, top)
        ],
        "intervals": [
            (x, _y(point.low, top), _y(point.high, top))
            for x, point in placed
            if _there(point.low) and _there(point.high)
        ],
        "ticks": [(x, point.tick) for x, point in placed[::-1][::every]],
        "dots": [
            (x, _y(point.value, top) if _there(point.value) else None, point.text)
            for x, point in placed
        ],
    }


def _there(number: float | None) -> bool:
    return number is not None and not math.isnan(number)


def _y(share: float | None, top: float) -> float:
    return round(_TOP + (_BOTTOM - _TOP) * (1 - min(max(share or 0.0, 0.0), top) / top), 1)


def _pieces(places: Sequence[float], values: Sequence[float | None], top: float) -> list[str]:
    """Return the points of lines through the values, broken where one is missing."""
    pieces: list[list[str]] = [[]]
    for x, value in zip(places, values, strict=True):
        if _there(value):
            pieces[-1].append(f"{x},{_y(value, top)}")
        else:
            pieces.append([])
    return [" ".join(piece) for piece in pieces if len(piece) > 1]
