"""The claim on TAPT (paper, section 3.4, Table 4)."""

from __future__ import annotations

from after_ser.judge.claims.claim import Claim
from after_ser.judge.claims.evidence import (
    AFTER,
    FT_ENTROPY,
    FT_RANDOM,
    TAPT_RANDOM,
    Evidence,
    over_budgets,
)
from after_ser.judge.claims.model import ABOVE_ZERO, SCORES, Measured, NotTestable, Part
from after_ser.judge.tables import published

PAIRS = {"random": (TAPT_RANDOM, FT_RANDOM), "entropy": (AFTER, FT_ENTROPY)}


def tapt_beats_none(evidence: Evidence) -> Measured:
    """Compare with and without TAPT, for random and for entropy selection, at each fraction."""
    parts: list[Part] = []
    missing: list[str] = []
    reasons = []
    for selection, (with_tapt, without) in PAIRS.items():
        try:
            first, second = evidence.alike(with_tapt, without)
        except NotTestable as reason:
            reasons.append(str(reason))
            missing.append(f"{selection} selection ({reason})")
            continue
        found, absent = over_budgets(
            (with_tapt, first),
            (without, second),
            published.budgets(4),
            ABOVE_ZERO,
            f"{selection} at ",
        )
        parts += found
        missing += absent
    if not parts:
        raise NotTestable(
            "; ".join(reasons) or "arms with and without TAPT share none of Table 4's fractions"
        )
    return Measured("TAPT minus no TAPT, at equal selection and fraction", parts, missing)


TAPT = Claim(
    "TAPT beats no TAPT",
    "TAPT+FT outperforms FT on both random sampling and Entropy sampling.",
    "section 3.4, Table 4, observation 2",
    SCORES,
    tapt_beats_none,
)
