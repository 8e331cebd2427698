"""Claims on how AFTER's score grows with the labels (paper, section 3.2, Table 2)."""

from __future__ import annotations

import math

from after_ser.judge.cells import at_budget, percent
from after_ser.judge.claims.evidence import AFTER, Evidence, in_points, printed_difference
from after_ser.judge.claims.model import ABOVE_ZERO, Measured, Part
from after_ser.judge.tables import published

FEW, PEAK, ALL_LABELS = 0.2, 0.6, 1.0


def few_reach_all(evidence: Evidence) -> Measured:
    """Compare AFTER at 20 % with AFTER at 100 %: is it within what Table 2 prints?

    x is Table 2's own distance, 1.74 points UA and 1.62 WA; the claim is that the loss is
    no larger, so the interval of 20 % minus 100 % has to lie above minus x.
    """
    few, every = evidence.needed(AFTER, FEW), evidence.needed(AFTER, ALL_LABELS)
    parts: list[Part] = []
    for metric, effect in printed_difference((AFTER, FEW), (AFTER, ALL_LABELS)).items():
        assert effect is not None  # Table 2 has both
        least = round(effect, 2)
        parts += in_points("", few, every, (least, math.inf), {metric: least})
    return Measured("AFTER at 20 % minus AFTER at 100 %", parts)


def peaks(evidence: Evidence) -> Measured:
    """Compare AFTER at 60 % with AFTER at every other fraction of Table 2."""
    peak, runs = evidence.needed(AFTER, PEAK), evidence.runs(AFTER)
    parts: list[Part] = []
    missing = []
    for budget in published.budgets(2):
        if math.isclose(budget, PEAK):
            continue
        other, printed = at_budget(runs, budget), printed_difference((AFTER, PEAK), (AFTER, budget))
        parts += in_points(percent(budget), peak, other, ABOVE_ZERO, printed)
        missing += [percent(budget)] if other.empty else []
    return Measured("AFTER at 60 % minus AFTER at each other fraction", parts, missing)
