"""Claims on active against random selection (paper, section 3.4, Table 4)."""

from __future__ import annotations

import pandas as pd

from after_ser.judge.cells import at_budget, percent
from after_ser.judge.claims.claim import Claim
from after_ser.judge.claims.evidence import (
    AFTER,
    FT_ENTROPY,
    FT_RANDOM,
    METRICS,
    TAPT_RANDOM,
    Evidence,
    Method,
    over_budgets,
    printed_difference,
    scores_part,
)
from after_ser.judge.claims.model import ABOVE_ZERO, SCORES, Measured, NotTestable, Part
from after_ser.judge.tables import published

ALL_LABELS = 1.0
PLACE = "section 3.4, Table 4"
KINDS = {"oneshot": "in one fit", "iterative": "in rounds"}


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
    evidence.runs(FT_RANDOM)  # raises where there is none at all
    rivals: dict[str, pd.DataFrame] = {}
    for arm in evidence.arms(FT_RANDOM):
        kind = KINDS[evidence.config["arms"][arm]["schedule"]]
        rows = at_budget(evidence.of_arm(arm), ALL_LABELS)
        if not rows.empty:
            rivals.setdefault(kind, rows)
    if entropy.empty or not rivals:
        lacking = FT_ENTROPY if entropy.empty else FT_RANDOM
        raise NotTestable(f"{lacking.words} was not run with 100 % of the labels")
    parts: list[Part] = []
    for index, (kind, random) in enumerate(rivals.items()):
        for metric in METRICS:
            printed = printed_difference(FT_ENTROPY, FT_RANDOM, metric, ALL_LABELS)
            name = f"random {kind}, {metric}"
            part = scores_part(
                name, entropy, random, metric, ABOVE_ZERO, None if index else printed
            )
            parts += [] if part is None else [part]
    remark = ""
    if KINDS["iterative"] not in rivals:
        remark = (
            "no random arm in rounds reaches 100 % here, so an effect of the order cannot be told "
            "from one of training in rounds"
        )
    compared = f"{FT_ENTROPY.words} minus {FT_RANDOM.words}, both with {percent(ALL_LABELS)}"
    return Measured(compared, parts, remark=remark)


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
