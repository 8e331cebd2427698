"""The claims report in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.claims.evidence import Evidence
from after_ser.judge.claims.model import FACTOR, Arithmetic
from after_ser.judge.claims.report import (
    Report,
    Row,
    claims_frame,
    claims_report,
    parts_frame,
)
from after_ser.judge.claims.verdict import NOT_SUPPORTED
from after_ser.judge.render import Document
from after_ser.judge.tables.table import NO_RUN

HEADS = ("No.", "Claim of the paper", "Place", "Here: effect [95 % interval]", "Verdict", "Why")
PART_HEADS = ("No.", "Comparison", "Here", "Claimed", "Paper", "p (Holm)", "Outcome")
PARTS_TITLE = "What the verdicts rest on"
FOOTNOTES = [
    "Differences are in percentage points, factors are one time over another. All are paired by "
    "fold and seed, seeds averaged within their fold; intervals are t intervals over folds.",
    "A claim about several comparisons is supported only if the interval of each lies on the "
    "claimed side, and not supported if at least one is reversed after Holm's correction over "
    "that claim's comparisons. Nothing is corrected over claims.",
    "p (Holm) tests the claimed range, so a small p speaks against the claim; 1 stands where "
    "the mean is in the range.",
]


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


def _in_words(row: Row) -> dict[str, Any]:
    return {
        "number": row.number,
        "claim": row.claim.name,
        "quote": row.claim.quote,
        "place": row.claim.place,
        "here": _here(row),
        "verdict": row.judged.verdict,
        "reason": row.judged.reason,
    }


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


@dataclass(frozen=True)
class ClaimsTable(Document):
    """The report as a document; its LaTeX is a longtable, which leaves the parts to the TSV."""

    report: Report
    template = "claims"

    def data(self) -> dict[str, pd.DataFrame]:
        """Return a row per claim, and as `parts` a row per comparison."""
        return {"tsv": claims_frame(self.report), "parts": parts_frame(self.report)}

    def content(self) -> dict[str, Any]:
        """Return the rows of both tables in words."""
        return {
            "title": self.report.title,
            "notes": self.report.notes,
            "heads": HEADS,
            "rows": [_in_words(row) for row in self.report.rows],
            "parts_title": PARTS_TITLE,
            "part_heads": PART_HEADS,
            "parts": _part_rows(self.report),
            "footnotes": FOOTNOTES,
        }


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
