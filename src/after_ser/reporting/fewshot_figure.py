"""Figure of the few-shot study: gain over the baseline, and macro-F1, by k; a line per n."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from after_ser.evaluation.fewshot import gains
from after_ser.fewshot.grid import BASELINE, sizes
from after_ser.reporting import provenance
from after_ser.reporting.fewshot import MAIN, heading, point, synthetic_note
from after_ser.reporting.interactive import write_html
from after_ser.reporting.style import MARKERS, PALETTE, PUBLISHED, plt, save, styled
from after_ser.runtime.atomic import write_tsv

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
                | {"value": summary["mean"]}
                | {key: summary[key] for key in ("sd", "ci_low", "ci_high", "speakers", "n")}
            )
    data = pd.DataFrame(rows, columns=COLUMNS)
    for name in ("value", "sd", "ci_low", "ci_high"):
        data[name] = data[name].astype(float)
    return data


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


def _draw_static(
    config: Mapping[str, Any], data: pd.DataFrame, svg: str | Path, png: str | Path
) -> None:
    ks = sorted(set(data["k"]))
    with styled():
        figure = plt.figure(layout="constrained", figsize=(8.6, 4.2))
        for axes, panel in zip(figure.subplots(1, 2), (GAIN, LEVEL), strict=True):
            here = data[data["panel"] == panel]
            lines = list(dict.fromkeys(here["sources"]))
            for position, n in enumerate(lines):
                line = here[here["sources"] == n]
                colour, marker = _look(n)
                shift = (position - (len(lines) - 1) / 2) * 0.06
                bars = None
                if line["ci_low"].notna().any():
                    bars = [line["value"] - line["ci_low"], line["ci_high"] - line["value"]]
                axes.errorbar(
                    [ks.index(k) + shift for k in line["k"]],
                    line["value"],
                    yerr=bars,
                    color=colour,
                    marker=marker,
                    elinewidth=1,
                    capsize=2,
                    label=heading(n),
                )
            if panel == GAIN:
                axes.axhline(0, color=PUBLISHED, linewidth=1)
            axes.set_xticks(range(len(ks)), [str(k) for k in ks])
            axes.set_xlim(-0.4, max(len(ks) - 1, 1) + 0.4)
            axes.set_xlabel(X_TITLE)
            axes.set_ylabel(panel)
        handles, labels = axes.get_legend_handles_labels()  # the level's panel has every line
        figure.legend(handles, labels, loc="outside lower left", ncols=min(6, len(labels)))
        title, subtitle = _title(config, data)
        figure.suptitle(f"{title}\n{subtitle}", x=0.0, ha="left", fontsize=11)
        save(figure, svg, png)


def _draw_interactive(config: Mapping[str, Any], data: pd.DataFrame, path: str | Path) -> None:
    labels = data.drop_duplicates("sources").sort_values("sources")
    domain = list(labels["label"])
    pick = alt.selection_point(fields=["label"], bind="legend")
    colours = alt.Color(
        "label:N",
        scale=alt.Scale(domain=domain, range=[_look(n)[0] for n in labels["sources"]]),
        sort=domain,
        legend=alt.Legend(title="click to single out"),
    )
    order = [str(k) for k in sorted(set(data["k"]))]
    charts = []
    for panel in (GAIN, LEVEL):
        here = data[data["panel"] == panel].assign(
            k=lambda rows: rows["k"].astype(str),
            speakers=lambda rows: rows["speakers"].astype(float),
            n=lambda rows: rows["n"].astype(float),
        )
        base = alt.Chart(here).encode(
            x=alt.X("k:N", sort=order, title=X_TITLE, axis=alt.Axis(labelAngle=0)),
            color=colours,
            opacity=alt.condition(pick, alt.value(1.0), alt.value(0.12)),
        )
        y = alt.Y("value:Q", title=panel, scale=alt.Scale(zero=panel == GAIN))
        fields = ["label", "k", "value", "ci_low", "ci_high", "sd", "speakers"]
        bars = base.transform_filter("isValid(datum.ci_low)").mark_rule(strokeWidth=1.2)
        layers = (
            bars.encode(y=alt.Y("ci_low:Q"), y2="ci_high:Q"),
            base.mark_line(strokeWidth=2).encode(y=y),
            base.mark_point(filled=True, size=55).encode(y=y, tooltip=fields),
        )
        charts.append(alt.layer(*layers).properties(width=300, height=260))
    charts[0] = charts[0].add_params(pick)  # one legend for both panels
    title, subtitle = _title(config, data)
    chart = alt.hconcat(*charts).properties(
        title=alt.Title(title, subtitle=subtitle, anchor="start")
    )
    write_html(chart, path, "fewshot")


def write_fewshot_figure(
    config: Mapping[str, Any],
    scores: pd.DataFrame,
    svg: str | Path,
    png: str | Path,
    page: str | Path,
    tsv: str | Path,
) -> None:
    """Write the figure from `gather_fewshot` as SVG, PNG, interactive HTML and data."""
    data = curves(config, scores)
    write_tsv(tsv, data)
    _draw_static(config, data, svg, png)
    _draw_interactive(config, data, page)
