"""The claims report as TSV, Markdown, LaTeX and HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.reporting.claims.evidence import Evidence
from after_ser.reporting.claims.model import FACTOR, Arithmetic
from after_ser.reporting.claims.report import (
    VERDICTS,
    Report,
    Row,
    claims_frame,
    claims_report,
    parts_frame,
)
from after_ser.reporting.claims.verdict import NOT_SUPPORTED
from after_ser.reporting.escape import markdown_text, one_line, tex_text
from after_ser.reporting.table import NO_RUN
from after_ser.runtime.atomic import write_text, write_tsv

HEADS = ("No.", "Claim of the paper", "Place", "Here: effect [95 % interval]", "Verdict", "Why")
PART_HEADS = ("No.", "Comparison", "Here", "Claimed", "Paper", "p (Holm)", "Outcome")
PARTS_TITLE = "What the verdicts rest on"
FOOTNOTES = (
    "Differences are in percentage points, factors are one time over another. All are paired by "
    "fold and seed, seeds averaged within their fold; intervals are t intervals over folds.",
    "A claim about several comparisons is supported only if the interval of each lies on the "
    "claimed side, and not supported if at least one is reversed after Holm's correction over "
    "that claim's comparisons. Nothing is corrected over claims.",
    "p (Holm) tests the claimed range, so a small p speaks against the claim; 1 stands where "
    "the mean is in the range.",
)


def _effects(row: Row) -> str:
    """Return the effects in words: both of two comparisons, else the deciding one."""
    if isinstance(row.measured, Arithmetic):
        gains = row.measured.gains.items()
        return "; ".join(f"{metric} {gain:+.2f} points" for metric, (_, gain) in gains)
    if not row.parts:
        return NO_RUN
    if len(row.parts) <= 2:
        return "; ".join(f"{part.name}: {part.text()}" for part in row.parts)
    decisive = row.judged.decisive or row.parts[0]
    kind = "most clearly reversed" if row.judged.verdict == NOT_SUPPORTED else "least favourable"
    return f"{decisive.name}: {decisive.text()} ({kind} of {len(row.parts)})"


def _here(row: Row) -> str:
    """Return what was compared, and the effects."""
    compared = row.measured.compared if row.measured else ""
    return f"{compared}: {_effects(row)}" if compared else _effects(row)


def _main_rows(report: Report) -> list[tuple[str, ...]]:
    return [
        (
            str(row.number),
            f"{row.claim.name}. “{row.claim.quote}”",
            row.claim.place,
            _here(row),
            row.judged.verdict,
            row.judged.reason,
        )
        for row in report.rows
    ]


def _p_text(p_value: float | None) -> str:
    if p_value is None:
        return NO_RUN
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _part_rows(report: Report) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for row in report.rows:
        judged = row.judged
        for part, p_holm, outcome in zip(row.parts, judged.p_holm, judged.outcomes, strict=True):
            paper = NO_RUN
            if part.published is not None:
                sign = "" if part.unit == FACTOR else "+"
                paper = f"{part.published:{sign}.2f}".replace("-", "−")
            rows.append(
                (
                    str(row.number),
                    part.name,
                    part.text(),
                    part.claimed_text(),
                    paper,
                    _p_text(p_holm),
                    outcome,
                )
            )
    return rows


def markdown(report: Report) -> str:
    """Return the report as GitHub Markdown."""

    def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
        lines = [f"| {' | '.join(heads)} |", f"|{'|'.join(['---:', *['---'] * (len(heads) - 1)])}|"]
        for row in rows:
            lines.append(f"| {' | '.join(map(markdown_text, row))} |")
        return lines

    rows = [
        (number, f"**{claim.replace('. “', '.** “', 1)}", place, here, f"**{verdict}**", why)
        for number, claim, place, here, verdict, why in _main_rows(report)
    ]
    notes = [f"- {markdown_text(note)}" for note in report.notes]
    lines = [f"**{markdown_text(report.title)}**", "", *notes, ""]
    lines += [*table(HEADS, rows), ""]
    if parts := _part_rows(report):
        lines += [f"**{PARTS_TITLE}**", "", *table(PART_HEADS, parts), ""]
    return "\n".join([*lines, *(f"- {note}" for note in FOOTNOTES)]) + "\n"


def latex(report: Report) -> str:
    """Return the claims as a LaTeX `longtable`; needs the packages booktabs and longtable.

    The single comparisons are left to the TSV.
    """
    widths = (0.03, 0.23, 0.12, 0.22, 0.08, 0.19)
    columns = "".join(
        rf">{{\raggedright\arraybackslash}}p{{{width}\linewidth}}" for width in widths
    )
    lines = [
        *(f"% {one_line(note)}" for note in (*report.notes, *FOOTNOTES)),
        r"% needs \usepackage{array,booktabs,longtable}",
        r"{\scriptsize",
        rf"\begin{{longtable}}{{{columns}}}",
        rf"\caption{{{tex_text(report.title)}}}\\",
        r"\toprule",
        f"{' & '.join(map(tex_text, HEADS))} \\\\",
        r"\midrule\endhead",
        *(f"{' & '.join(map(tex_text, row))} \\\\ \\addlinespace" for row in _main_rows(report)),
        r"\bottomrule",
        r"\end{longtable}",
        *(f"{tex_text(note)}\\par" for note in (*report.notes, *FOOTNOTES)),
        "}",
    ]
    return "\n".join(lines) + "\n"


_CSS = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff;
  margin: 2rem auto; max-width: 86rem; padding: 0 1rem; }
h1 { font-size: 1.25rem; margin: 0 0 .6rem; }
h2 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; }
ul { margin: .4rem 0 1.2rem; padding-left: 1.2rem; color: #333; max-width: 60rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border-top: 2px solid #222; border-bottom: 2px solid #222; }
th, td { padding: .4rem .7rem; text-align: left; vertical-align: top; }
thead th { border-bottom: 1px solid #222; }
tbody tr + tr > * { border-top: 1px solid #ddd; }
q { color: #444; }
.number { text-align: right; }
.place { min-width: 8rem; color: #444; }
.here { font-variant-numeric: tabular-nums; min-width: 17rem; }
.verdict { white-space: nowrap; font-weight: 600; }
.v0 { color: #13662f; } .v1 { color: #a11d1d; } .v2 { color: #6b5200; }
.v3 { color: #555; font-weight: 400; }
"""


def html_page(report: Report) -> str:
    """Return the report as one self-contained HTML page."""

    def heads(names: tuple[str, ...]) -> str:
        return "".join(f'<th scope="col">{html.escape(name)}</th>' for name in names)

    def bullets(notes: list[str]) -> list[str]:
        return ["<ul>", *(f"<li>{html.escape(note)}</li>" for note in notes), "</ul>"]

    main = []
    for row, texts in zip(report.rows, _main_rows(report), strict=True):
        claim = f"<b>{html.escape(row.claim.name)}.</b> <q>{html.escape(row.claim.quote)}</q>"
        kind = f"v{VERDICTS.index(row.judged.verdict)}"
        number, _, place, here, verdict, why = map(html.escape, texts)
        main.append(
            f'<tr><td class="number">{number}</td><td>{claim}</td><td class="place">{place}</td>'
            f'<td class="here">{here}</td><td class="verdict {kind}">{verdict}</td>'
            f"<td>{why}</td></tr>"
        )
    body = [
        f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in texts)}</tr>"
        for texts in _part_rows(report)
    ]
    parts = [
        f"<h2>{PARTS_TITLE}</h2>",
        f'<div class="scroll"><table><thead><tr>{heads(PART_HEADS)}</tr></thead><tbody>',
        *body,
        "</tbody></table></div>",
    ]
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>{html.escape(report.title)}</title><style>{_CSS}</style></head><body>",
        f"<h1>{html.escape(report.title)}</h1>",
        *bullets(report.notes),
        f'<div class="scroll"><table><thead><tr>{heads(HEADS)}</tr></thead><tbody>',
        *main,
        "</tbody></table></div>",
        *(parts if body else []),
        *bullets(list(FOOTNOTES)),
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class ClaimsTable:
    """The report as a table that can be written."""

    report: Report

    def write(
        self,
        tsv: str | Path,
        parts: str | Path,
        md: str | Path,
        tex: str | Path,
        html: str | Path,
    ) -> None:
        """Write the report in its four forms, and its single comparisons as a TSV of their own."""
        write_tsv(tsv, claims_frame(self.report))
        write_tsv(parts, parts_frame(self.report))
        write_text(md, markdown(self.report))
        write_text(tex, latex(self.report))
        write_text(html, html_page(self.report))


def claims(
    config: Mapping[str, Any],
    scores: pd.DataFrame,
    times: pd.DataFrame,
    outliers: pd.DataFrame | None,
    baselines: pd.DataFrame | None,
    summaries: Sequence[str | Path],
) -> ClaimsTable:
    """Return the paper's claims as judged by a run; outliers, baselines: None where it has none."""
    evidence = Evidence(config, scores, times, outliers, baselines)
    return ClaimsTable(claims_report(evidence, summaries))
