"""The page after each round: the learning curve, what more labels may bring, when to stop."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from after_ser.annotation.finished_rounds import FinishedRound, criteria, read_round
from after_ser.annotation.gain import Gain, expected_gain
from after_ser.annotation.progress_figures import criteria_figure, curve_figure
from after_ser.annotation.stopping import KAPPA, PATIENCE, UNCERTAINTY, WINDOW, Criterion
from after_ser.annotation.val_curve import ValCurve, val_curve
from after_ser.errors import InputError
from after_ser.reporting.style import styled
from after_ser.runtime.atomic import write_json, write_text

_CSS = """
body { font: 16px/1.5 system-ui, sans-serif; color: #16191d; background: #fff; margin: 0 auto;
  max-width: 60rem; padding: 1rem; }
h1 { font-size: 1.35rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.lead { font-size: 1.1rem; }
.figures { margin: 1rem 0; }
img { width: 100%; max-width: 50rem; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border-top: 2px solid #222; border-bottom: 2px solid #222; }
th, td { padding: .4rem .8rem; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead th { border-bottom: 1px solid #222; }
tbody tr + tr > * { border-top: 1px solid #ddd; }
tbody th { font-weight: 600; }
.stop { color: #0f6b3a; font-weight: 600; }
.unknown, .source { color: #4d5560; }
.source { font-size: .9rem; }
li { margin: .3rem 0; }
"""
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

    speakers: of val clips, "" or nothing where not known. next_labelled: clips that are labelled
    after the next planned round, None where none is planned; then a round as large as the last is
    supposed. name: names the random source. Raises InputError as `read_round` does, and for
    rounds that do not follow each other.
    """
    rounds = [read_round(folder, classes) for folder in folders]
    if [one.index for one in rounds] != list(range(len(rounds))):
        found = ", ".join(str(one.index) for one in rounds)
        raise InputError(f"{page}: rounds {found}; expected 0, 1, 2… in this order")
    curve = val_curve([one.val for one in rounds], speakers, *name)
    labelled = [one.labelled for one in rounds]
    planned = next_labelled is not None
    if next_labelled is None:
        step = labelled[-1] - labelled[-2] if len(rounds) > 1 else 0
        next_labelled = min(labelled[-1] + step, rounds[-1].n_train)
    gain = expected_gain(np.array(labelled), curve.ua, curve.drawn, next_labelled, *name)
    found_criteria = criteria(rounds, [float(value) for value in curve.ua])
    content = _facts(rounds, curve, gain, planned, found_criteria)
    write_json(facts, content)
    write_text(page, _page(title, rounds, curve, gain, found_criteria, content))


def _facts(
    rounds: Sequence[FinishedRound],
    curve: ValCurve,
    gain: Gain,
    planned: bool,
    found: Mapping[str, Criterion],
) -> dict[str, Any]:
    low, high = curve.band
    table = []
    for index, one in enumerate(rounds):
        row: dict[str, Any] = {
            "round": one.index,
            "labelled": one.labelled,
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
                "value": one.value,
                "threshold": one.threshold,
                "stop": one.met,
                "note": one.note,
                "history": list(one.history),
            }
            for name, one in found.items()
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


def _verdict(one: Criterion) -> str:
    if one.met is None:
        return f'<span class="unknown">cannot be said yet: {html.escape(one.note)}</span>'
    return '<span class="stop">stop</span>' if one.met else "go&nbsp;on"


def _next(gain: Gain, planned: bool, last: int) -> str:
    if gain.mean is None or gain.low is None or gain.high is None or gain.ceiling is None:
        return f"<p>The gain of the next round cannot be said yet: {html.escape(gain.note)}.</p>"
    asked = gain.labelled - last
    which = "The next round" if planned else "No further round is planned; one as large as the last"
    text = (
        f"{which} (about {asked} clips more, {gain.labelled} in all) is expected to bring "
        f"<strong>{_percent(gain.mean, True)} points of UA {_interval(gain.low, gain.high, True)}"
        "</strong>."
    )
    end = (
        f"The curve that was fitted ends at {_percent(gain.ceiling)} %."
        if gain.ceiling < CEILING
        else "The rounds so far do not show where the curve ends."
    )
    return (
        f"<p>{text} {end}</p>"
        '<p class="source">An inverse power law, UA = a − b n<sup>−c</sup> of n labelled clips '
        "(Figueroa et al. 2012), fitted by least squares; it cannot fall, so the interval never "
        "goes below 0, and one round’s measured UA scatters more than the curve. The interval is "
        "a bootstrap one over the val clips and the rounds’ scatter about the curve; it does not "
        "cover that the curve may have another shape. A fit to a handful of rounds is a rough "
        "guess.</p>"
    )


def _image(draw: Any, alternative: str) -> str:
    text = io.StringIO()
    with styled():
        figure = draw()
        figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    encoded = base64.b64encode(text.getvalue().encode()).decode("ascii")
    source = f"data:image/svg+xml;base64,{encoded}"
    return f'<img src="{source}" alt="{html.escape(alternative)}">'


def _page(
    title: str,
    rounds: Sequence[FinishedRound],
    curve: ValCurve,
    gain: Gain,
    found: Mapping[str, Criterion],
    content: Mapping[str, Any],
) -> str:
    escape, last = html.escape, content["rounds"][-1]
    labelled = [one.labelled for one in rounds]
    rows = []
    for row in content["rounds"]:
        cells = [str(row["labelled"]), f"{_percent(row['ua'])}"]
        cells.append(_interval(row["ci_low"], row["ci_high"]))
        if "gain" in row:
            change = _interval(row["gain_low"], row["gain_high"], True)
            cells.append(f"{_percent(row['gain'], True)} {change}")
        else:
            cells.append("–")
        data = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        rows.append(f'<tr><th scope="row">{row["round"]}</th>{data}</tr>')
    verdicts = [
        f'<tr><th scope="row">{escape(name.capitalize())}</th>'
        f'<td class="n">{_value(name, one.value)}</td><td>{_verdict(one)}</td>'
        f'<td>{escape(_ABOUT[name][1])}<br><span class="source">{escape(_ABOUT[name][2])}</span>'
        "</td></tr>"
        for name, one in found.items()
    ]
    stop = sum(one.met is True for one in found.values())
    open_ = sum(one.met is None for one in found.values())
    summary = (
        f"After round {last['round']}, with {last['labelled']} labelled clips, UA on val is "
        f"{_percent(last['ua'])} % {_interval(last['ci_low'], last['ci_high'])}. Of {len(found)} "
        f"stopping criteria {stop or 'none'} {'say' if stop > 1 else 'says'} stop"
        + (f", and {open_} cannot say anything yet." if open_ else ".")
    )
    val = content["val"]
    drawn = (
        f"val’s {val['n_drawn']} speakers"
        if val["drawn"] == "speakers"
        else f"val’s {val['n']} clips"
    )
    notes = [
        f"Bands and intervals: 95 %, bootstrap over {drawn}. They say how UA would vary with "
        "other such clips, not with another training of the same labels.",
        *([val["note"][0].upper() + val["note"][1:] + "."] if val["note"] else []),
        "Each round’s epoch was chosen by UA on val, and if you stop by val too, val flatters: a "
        "fair score needs clips that decided nothing.",
        "Change and kappa compare two rounds on the clips that nobody had labelled by the later "
        "one. The thresholds come from text classification; they are no recommendation for "
        "speech.",
    ]
    pictures = [
        _image(
            lambda: curve_figure(labelled, curve, gain),
            "UA on val by labelled clips, with its band; the table below has the numbers",
        ),
        _image(
            lambda: criteria_figure(found, {name: _ABOUT[name][0] for name in found}),
            "The stopping criteria by round, with their thresholds; the table has the last values",
        ),
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_CSS}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            f'<p class="lead">{summary}</p>',
            "<h2>Learning curve</h2>",
            f'<div class="figures">{pictures[0]}</div>',
            '<div class="scroll"><table><thead><tr><th scope="col">Round</th>'
            '<th scope="col" class="n">Labelled</th><th scope="col" class="n">UA (%)</th>'
            '<th scope="col" class="n">95 % interval</th>'
            '<th scope="col" class="n">Points more than before</th></tr></thead><tbody>',
            *rows,
            "</tbody></table></div>",
            "<h2>The next round</h2>",
            _next(gain, content["next"]["planned"], labelled[-1]),
            "<h2>Stopping criteria</h2>",
            '<div class="scroll"><table><thead><tr><th scope="col">Criterion</th>'
            '<th scope="col" class="n">Now</th><th scope="col">Says</th>'
            '<th scope="col">Says stop when</th></tr></thead><tbody>',
            *verdicts,
            "</tbody></table></div>",
            f'<div class="figures">{pictures[1]}</div>',
            "<h2>How to read this</h2>",
            f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>",
            "</body></html>",
            "",
        ]
    )
