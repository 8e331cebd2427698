"""Small charts over rounds as SVG, one per class or corpus, that share their vertical scale.

Text of the data is escaped; hovering (or a screen reader) gives a point's numbers as a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 250, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 8, 30, 34  # margins of the plotting area, in SVG units
#: Of Okabe and Ito, as in the figures (reporting.style, whose matplotlib takes a second to import).
COLOUR_POINT, COLOUR_REFERENCE = "#0072B2", "#444444"


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


def svg(panel: Panel, top: float) -> str:
    """Return the panel as an SVG element; its vertical axis goes from 0 to `top`."""
    parts = [
        f'<svg class="panel" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(panel.title)}">',
        f'<text class="title" x="{_LEFT}" y="17">{escape(_short(panel.title))}'
        f"<title>{escape(panel.title)}</title></text>",
        *_axis(top),
    ]
    places = [_x(index, len(panel.points)) for index in range(len(panel.points))]
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(places))
    half = min(14.0, 0.32 * step)
    for x, point in zip(places, panel.points, strict=True):
        if _there(point.band_low) and _there(point.band_high):
            high, low = _y(point.band_high, top), _y(point.band_low, top)
            parts.append(
                f'<rect class="band" x="{x - half:.1f}" y="{high:.1f}" width="{2 * half:.1f}" '
                f'height="{max(low - high, 1.5):.1f}"/>'
            )
    references = [point.reference for point in panel.points]
    parts += _line(places, references, top, f'class="reference" stroke="{COLOUR_REFERENCE}"')
    for values in panel.thin:
        parts += _line(places, values, top, 'class="thin"')
    colour = f'stroke="{COLOUR_POINT}"'
    for x, point in zip(places, panel.points, strict=True):
        if _there(point.low) and _there(point.high):
            ends = _y(point.low, top), _y(point.high, top)
            parts.append(
                f'<line class="interval" {colour} x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{ends[0]:.1f}" y2="{ends[1]:.1f}"/>'
            )
    parts += _line(places, [point.value for point in panel.points], top, f'class="line" {colour}')
    # one label for each of so many that they do not overlap
    every = math.ceil(len(places) * 32 / (WIDTH - _LEFT - _RIGHT)) if places else 1
    for index, (x, point) in enumerate(zip(places, panel.points, strict=True)):
        if (len(places) - 1 - index) % every == 0:
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{HEIGHT - _BOTTOM + 14}" '
                f'text-anchor="middle">{escape(point.tick)}</text>'
            )
        dot = ""
        if _there(point.value):
            dot = f'<circle class="dot" cx="{x:.1f}" cy="{_y(point.value, top):.1f}" r="3.6"/>'
        parts.append(
            f'<g class="hit"><title>{escape(point.text)}</title><rect x="{x - step / 2:.1f}" '
            f'y="{_TOP}" width="{step:.1f}" height="{HEIGHT - _TOP - _BOTTOM}"/>{dot}</g>'
        )
    parts.append(
        f'<text class="tick" x="{(_LEFT + WIDTH - _RIGHT) / 2:.0f}" y="{HEIGHT - 5}" '
        'text-anchor="middle">labelled share of train</text></svg>'
    )
    return "".join(parts)


def _short(title: str) -> str:
    return title if len(title) <= 30 else f"{title[:29]}…"


def _axis(top: float) -> list[str]:
    parts = []
    step = 0.1 if top <= 0.4 else 0.25 if top > 0.6 else 0.2
    for index in range(int(top / step + 1e-9) + 1):
        y = _y(index * step, top)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 5}" y="{y + 3.5}" text-anchor="end">'
            f"{100 * index * step:.0f} %</text>"
        )
    return parts


def _there(number: float | None) -> bool:
    return number is not None and not math.isnan(number)


def _x(index: int, count: int) -> float:
    step = (WIDTH - _LEFT - _RIGHT) / max(1, count)
    return _LEFT + step * (index + 0.5)


def _y(share: float | None, top: float) -> float:
    height = HEIGHT - _TOP - _BOTTOM
    return round(_TOP + height * (1 - min(max(share or 0.0, 0.0), top) / top), 1)


def _line(
    places: Sequence[float], values: Sequence[float | None], top: float, look: str
) -> list[str]:
    """Return polylines through the values, broken where one is missing."""
    pieces: list[list[str]] = [[]]
    for x, value in zip(places, values, strict=True):
        if _there(value):
            pieces[-1].append(f"{x:.1f},{_y(value, top):.1f}")
        else:
            pieces.append([])
    return [f'<polyline {look} points="{" ".join(piece)}"/>' for piece in pieces if len(piece) > 1]
