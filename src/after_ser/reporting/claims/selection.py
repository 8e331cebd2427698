"""Claims on active against random selection (paper, section 3.4, Table 4)."""

from __future__ import annotations

import pandas as pd

from after_ser.reporting import published
from after_ser.reporting.cells import at_budget, percent
from after_ser.reporting.claims.evidence import (
    AFTER,
    FT_ENTROPY,
    FT_RANDOM,
    METRICS,
    TAPT_RANDOM,
    Evidence,
    Method,
    over_budgets,
    scores_part,
)
from after_ser.reporting.claims.model import ABOVE_ZERO, SCORES, Claim, Measured, NotTestable, Part

ALL_LABELS = 1.0
PLACE = "section 3.4, Table 4"


def _at_every_budget(evidence: Evidence, active: Method, random: Method) -> Measured:
    first, second = evidence.runs(active), evidence.runs(random)
    parts, missing = over_budgets(
        (active, first), (random, second), published.budgets(4), ABOVE_ZERO
    )
    if not parts:
        raise NotTestable(f"{active.words} and {random.words} share none of Table 4's fractions")
    return Measured(f"{active.words} minus {random.words}, at equal fractions", parts, missing)


def without_tapt(evidence: Evidence) -> Measured:
    """Compare entropy with random selection from the pre-trained model at each fraction."""
    return _at_every_budget(evidence, FT_ENTROPY, FT_RANDOM)


def with_tapt(evidence: Evidence) -> Measured:
    """Compare AFTER with random selection after TAPT at each fraction."""
    return _at_every_budget(evidence, AFTER, TAPT_RANDOM)


def order_alone(evidence: Evidence) -> Measured:
    """Compare entropy's rounds with random clips at 100 %, where both have every label.

    The paper reads its 73.89 against 57.21 as an effect of the order of acquisition. Rounds
    with warm start are also more training than one fit, so a random arm that goes through
    rounds as well is compared where there is one: only that difference is one of order alone.
    """
    entropy = at_budget(evidence.runs(FT_ENTROPY), ALL_LABELS)
    random = at_budget(evidence.runs(FT_RANDOM), ALL_LABELS)
    if entropy.empty or random.empty:
        lacking = FT_ENTROPY if entropy.empty else FT_RANDOM
        raise NotTestable(f"{lacking.words} was not run with 100 % of the labels")
    parts: list[Part] = []
    schedule = str(random["schedule"].iloc[0])
    kind = "in one fit" if schedule == "oneshot" else "in rounds"
    for metric in METRICS:
        columns = ("FT-entropy", "FT-random")
        printed = [published.value(column, metric, ALL_LABELS) or 0.0 for column in columns]
        part = scores_part(
            f"random {kind}, {metric}", entropy, random, metric, ABOVE_ZERO, printed[0] - printed[1]
        )
        parts += [] if part is None else [part]
    in_rounds = _random_in_rounds(evidence) if schedule == "oneshot" else None
    if in_rounds is not None:
        for metric in METRICS:
            part = scores_part(
                f"random in rounds, {metric}", entropy, in_rounds, metric, ABOVE_ZERO
            )
            parts += [] if part is None else [part]
    remark = ""
    if schedule == "oneshot" and in_rounds is None:
        remark = (
            "no random arm in rounds reaches 100 % here, so an effect of the order cannot be told "
            "from one of training in rounds"
        )
    return Measured(
        f"{FT_ENTROPY.words} minus {FT_RANDOM.words}, both with {percent(ALL_LABELS)}",
        parts,
        remark=remark,
    )


def _random_in_rounds(evidence: Evidence) -> pd.DataFrame | None:
    for arm in evidence.arms(FT_RANDOM):
        rows = at_budget(evidence.of_arm(arm), ALL_LABELS)
        if not rows.empty and rows["schedule"].iloc[0] == "iterative":
            return rows
    return None


CLAIMS = (
    Claim(
        "Active selection beats random, without TAPT, at every budget",
        "Fine-tuning with active learning significantly improves performance compared with random "
        "sampling (FT+Entropy vs FT+Random), regardless of the number of labeled samples.",
        f"{PLACE}, observation 1",
        SCORES,
        without_tapt,
    ),
    Claim(
        "Active selection beats random, with TAPT, at every budget",
        "With the same number of labeled samples, AFTER can obtain better results than "
        "TAPT+FT+Random on the Merged dataset.",
        f"{PLACE}, observation 3",
        SCORES,
        with_tapt,
    ),
)
ORDER = Claim(
    "At 100 % the order of acquisition alone matters (57.21 against 73.89 UA)",
    "when 100%pt. sample is used, AL-based method significantly outperforms random sampling method "
    "(FT+Random vs FT+Entropy).",
    f"{PLACE}, observation 4",
    SCORES,
    order_alone,
)
