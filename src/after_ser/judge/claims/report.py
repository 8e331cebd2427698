"""All claims as rows: one per claim, and one per comparison that a claim is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.claims.evidence import Evidence
from after_ser.judge.claims.model import Arithmetic, Measured, NotTestable, Part
from after_ser.judge.claims.registry import CLAIMS, Claim
from after_ser.judge.claims.verdict import (
    NOT_SUPPORTED,
    NOT_TESTABLE,
    SUPPORTED,
    UNDECIDED,
    Judged,
    judge,
    judge_arithmetic,
)
from after_ser.judge.tables import provenance, published

VERDICTS = (SUPPORTED, NOT_SUPPORTED, UNDECIDED, NOT_TESTABLE)
WHOLE = ("number", "n", "folds", "seeds", "parts")
REAL = ("effect", "ci_low", "ci_high", "claimed_low", "claimed_high", "published", "p", "p_holm")
PART_COLUMNS = (
    *("number", "source", "part", "effect", "ci_low", "ci_high", "unit", "n", "folds", "seeds"),
    *("claimed_low", "claimed_high", "published", "p", "p_holm", "outcome", "note"),
)


@dataclass(frozen=True)
class Row:
    """One claim with its number, what was measured (None: nothing) and the verdict."""

    number: int
    claim: Claim
    measured: Measured | Arithmetic | None
    judged: Judged

    @property
    def parts(self) -> list[Part]:
        """Return the comparisons that the verdict rests on."""
        return self.measured.parts if isinstance(self.measured, Measured) else []


@dataclass(frozen=True)
class Report:
    """All claims of one run, with the notes that stand above them."""

    title: str
    rows: list[Row]
    notes: list[str]


def _row(number: int, claim: Claim, evidence: Evidence) -> Row:
    try:
        measured = claim.measure(evidence)
    except NotTestable as reason:
        nothing = Judged(NOT_TESTABLE, str(reason), None, [], [], [])
        return Row(number, claim, None, nothing)
    if isinstance(measured, Arithmetic):
        return Row(number, claim, measured, judge_arithmetic(measured))
    return Row(number, claim, measured, judge(measured))


def claims_report(evidence: Evidence, summaries: Iterable[str | Path] = ()) -> Report:
    """Return every claim of the paper with this run's effect and verdict, in their order."""
    rows = [_row(number, claim, evidence) for number, claim in enumerate(CLAIMS, start=1)]
    counts = {verdict: sum(row.judged.verdict == verdict for row in rows) for verdict in VERDICTS}
    scores = evidence.scores
    here = scores[scores["dataset"] == evidence.dataset]
    notes = [
        f"{len(rows)} claims: {', '.join(f'{n} {verdict}' for verdict, n in counts.items())}. "
        "A verdict is about this run's data, except where only the paper's printed tables are "
        "compared with each other; docs/claims.md has the rules.",
        *provenance.header_notes(
            evidence.config, evidence.dataset, here, published.budgets(4), summaries
        ),
    ]
    return Report(f"The paper's claims against this run ({evidence.dataset})", rows, notes)


def _numbers(part: Part | None) -> dict[str, Any]:
    if part is None:
        return dict.fromkeys(("effect", "ci_low", "ci_high", "unit", "folds", "seeds"))
    low, high = part.interval or (None, None)
    return {
        "effect": part.effect,
        "ci_low": low,
        "ci_high": high,
        "unit": part.unit,
        "folds": part.summary["n_folds"],
        "seeds": part.summary["n_seeds"],
    }


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    kinds = dict.fromkeys(WHOLE, "Int64") | dict.fromkeys(REAL, "float64")
    return rows.astype({name: kind for name, kind in kinds.items() if name in rows})


def claims_frame(report: Report) -> pd.DataFrame:
    """Return one row per claim: its words, the deciding comparison's effect, and the verdict.

    Effects are in `unit`; `parts` counts the comparisons. Rows whose `source` is "times" differ
    from run to run, as times do.
    """
    rows = []
    for row in report.rows:
        claim, decisive = row.claim, row.judged.decisive
        rows.append(
            {
                "number": row.number,
                "claim": claim.name,
                "quote": claim.quote,
                "place": claim.place,
                "source": claim.source,
                "compared": row.measured.compared if row.measured else "",
                "part": decisive.name if decisive else "",
                **_numbers(decisive),
                "parts": len(row.parts),
                "verdict": row.judged.verdict,
                "reason": row.judged.reason,
            }
        )
    return _typed(pd.DataFrame(rows))


def parts_frame(report: Report) -> pd.DataFrame:
    """Return one row per comparison, with its claimed range, p values and outcome."""
    rows: list[Mapping[str, Any]] = []
    for row in report.rows:
        judged = row.judged
        for part, p, p_holm, outcome in zip(
            row.parts, judged.p, judged.p_holm, judged.outcomes, strict=True
        ):
            rows.append(
                {
                    "number": row.number,
                    "source": row.claim.source,
                    "part": part.name,
                    **_numbers(part),
                    "n": part.summary["n"],
                    "claimed_low": part.claimed[0],
                    "claimed_high": part.claimed[1],
                    "published": part.published,
                    "p": p,
                    "p_holm": p_holm,
                    "outcome": outcome,
                    "note": part.summary["note"],
                }
            )
    return _typed(pd.DataFrame(rows, columns=PART_COLUMNS))
