"""Claims on Table 4 (paper, section 3.4): active against random selection, TAPT against none."""

from __future__ import annotations

import pandas as pd

from after_ser.judge.cells import at_budget, percent
from after_ser.judge.claims.evidence import (
    AFTER,
    FT_ENTROPY,
    FT_RANDOM,
    METRICS,
    TAPT_RANDOM,
    Evidence,
    Method,
    in_points,
    printed_difference,
)
from after_ser.judge.claims.model import ABOVE_ZERO, Measured, NotTestable, Part
from after_ser.judge.tables import published

ALL_LABELS = 1.0
KINDS = {"oneshot": "in one fit", "iterative": "in rounds"}
TAPT_PAIRS = {"random": (TAPT_RANDOM, FT_RANDOM), "entropy": (AFTER, FT_ENTROPY)}


def _at_every_budget(
    first: tuple[Method, pd.DataFrame], second: tuple[Method, pd.DataFrame], label: str = ""
) -> dict[str, list[Part]]:
    """Return first minus second, each a method and its rows, by fraction of Table 4."""
    found = {}
    for budget in published.budgets(4):
        name = f"{label}{percent(budget)}"
        printed = printed_difference((first[0], budget), (second[0], budget))
        pair = at_budget(first[1], budget), at_budget(second[1], budget)
        found[name] = in_points(name, *pair, ABOVE_ZERO, printed)
    return found


def active_beats_random(evidence: Evidence, active: Method, random: Method) -> Measured:
    """Compare a method with random selection from the same start at each fraction."""
    first, second = (active, evidence.runs(active)), (random, evidence.runs(random))
    found = _at_every_budget(first, second)
    if not any(found.values()):
        raise NotTestable(f"{active.words} and {random.words} share none of Table 4's fractions")
    return Measured.of(f"{active.words} minus {random.words}, at equal fractions", found)


def tapt_beats_none(evidence: Evidence) -> Measured:
    """Compare with and without TAPT, for random and for entropy selection, at each fraction."""
    found: dict[str, list[Part]] = {}
    reasons = []
    for selection, (tapt, none) in TAPT_PAIRS.items():
        try:
            first, second = evidence.alike(tapt, none)
            found |= _at_every_budget((tapt, first), (none, second), f"{selection} at ")
        except NotTestable as reason:
            reasons.append(str(reason))
            found[f"{selection} selection ({reason})"] = []
    if not any(found.values()):
        raise NotTestable(
            "; ".join(reasons) or "arms with and without TAPT share none of Table 4's fractions"
        )
    return Measured.of("TAPT minus no TAPT, at equal selection and fraction", found)


def order_alone(evidence: Evidence) -> Measured:
    """Compare entropy's rounds with random clips at 100 %, where both have every label.

    The paper reads its 73.89 against 57.21 as an effect of the order of acquisition. Rounds
    with warm start are also more training than one fit, so a random arm that goes through
    rounds as well is compared where there is one: only that difference is one of order alone.
    """
    evidence.runs(FT_ENTROPY), evidence.runs(FT_RANDOM)  # not run at all is the better reason
    entropy = evidence.needed(FT_ENTROPY, ALL_LABELS)
    rivals: dict[str, pd.DataFrame] = {}
    for arm in evidence.arms(FT_RANDOM):
        kind = KINDS[evidence.config["arms"][arm]["schedule"]]
        rows = at_budget(evidence.of_arm(arm), ALL_LABELS)
        if not rows.empty:
            rivals.setdefault(kind, rows)
    if not rivals:
        raise NotTestable(f"{FT_RANDOM.words} was not run with 100 % of the labels")
    parts: list[Part] = []
    printed = printed_difference((FT_ENTROPY, ALL_LABELS), (FT_RANDOM, ALL_LABELS))
    for kind, random in rivals.items():
        parts += in_points(f"random {kind}", entropy, random, ABOVE_ZERO, printed)
        printed = dict.fromkeys(METRICS)  # the paper has one
    remark = ""
    if KINDS["iterative"] not in rivals:
        remark = (
            "no random arm in rounds reaches 100 % here, so an effect of the order cannot be told "
            "from one of training in rounds"
        )
    compared = f"{FT_ENTROPY.words} minus {FT_RANDOM.words}, both with {percent(ALL_LABELS)}"
    return Measured(compared, parts, remark=remark)
