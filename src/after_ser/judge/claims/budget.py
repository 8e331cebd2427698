"""Claims on how AFTER's score grows with the labels (paper, section 3.2, Table 2)."""

from __future__ import annotations

import math

import pandas as pd

from after_ser.judge.cells import at_budget, percent
from after_ser.judge.claims.claim import Claim
from after_ser.judge.claims.evidence import AFTER, METRICS, Evidence, scores_part
from after_ser.judge.claims.model import ABOVE_ZERO, SCORES, Measured, NotTestable, Part
from after_ser.judge.tables import published

FEW, PEAK, ALL_LABELS = 0.2, 0.6, 1.0


def _printed(metric: str, first: float, second: float) -> float:
    ours, other = (published.value("AFTER", metric, budget) for budget in (first, second))
    if ours is None or other is None:
        raise ValueError(f"Table 2 has no {metric} at {first} or {second}")
    return ours - other


def _needed(evidence: Evidence, budget: float) -> pd.DataFrame:
    rows = at_budget(evidence.runs(AFTER), budget)
    if rows.empty:
        raise NotTestable(f"AFTER was not run with {percent(budget)} of the labels")
    return rows


def few_reach_all(evidence: Evidence) -> Measured:
    """Compare AFTER at 20 % with AFTER at 100 %: is it within what Table 2 prints?

    x is Table 2's own distance, 1.74 points UA and 1.62 WA; the claim is that the loss is
    no larger, so the interval of 20 % minus 100 % has to lie above minus x.
    """
    few, every = _needed(evidence, FEW), _needed(evidence, ALL_LABELS)
    parts: list[Part] = []
    for metric in METRICS:
        printed = round(_printed(metric, FEW, ALL_LABELS), 2)
        part = scores_part(metric, few, every, metric, (printed, math.inf), printed)
        parts += [] if part is None else [part]
    return Measured("AFTER at 20 % minus AFTER at 100 %", parts)


def peaks(evidence: Evidence) -> Measured:
    """Compare AFTER at 60 % with AFTER at every other fraction of Table 2."""
    peak, runs = _needed(evidence, PEAK), evidence.runs(AFTER)
    parts: list[Part] = []
    missing = []
    for budget in published.budgets(2):
        if math.isclose(budget, PEAK):
            continue
        other = at_budget(runs, budget)
        if other.empty:
            missing.append(percent(budget))
            continue
        for metric in METRICS:
            printed = _printed(metric, PEAK, budget)
            name = f"{percent(budget)}, {metric}"
            part = scores_part(name, peak, other, metric, ABOVE_ZERO, printed)
            parts += [] if part is None else [part]
    return Measured("AFTER at 60 % minus AFTER at each other fraction", parts, missing)


CLAIMS = (
    Claim(
        "20 % of the labels come within 1.74 points UA (1.62 WA) of 100 %",
        "using 20%pt. labeled samples yielded a significant improvement in performance […]. Thus, "
        "we selected 20%pt. labeled samples as a trade-off",
        "section 3.2, Table 2 (77.41 and 79.15 UA, 74.32 and 75.94 WA)",
        SCORES,
        few_reach_all,
    ),
    Claim(
        "The score peaks at 60 %",
        "79.32 […] 76.03",
        "Tables 2 and 4, in bold; section 3.2 says that performance “increased as the ratio of "
        "labeled samples increased”",
        SCORES,
        peaks,
    ),
)
