"""Claims on strategies and initial sets (paper, section 3.2, Figure 2).

Figure 2 shows UA and prints no numbers. Its curves are compared by their mean UA over the
labelled fractions up to 20 % (normalised area under the learning curve).
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from after_ser.judge.cells import at_budget, budget_union, percent, values
from after_ser.judge.claims.evidence import Evidence, Method
from after_ser.judge.claims.model import ABOVE_ZERO, POINTS, Measured, NotTestable, Part
from after_ser.judge.learning_curve import area
from after_ser.judge.statistics import paired_difference

STRATEGIES = {  # of the paper, by the name of the strategy here
    "entropy": "entropy",
    "least_confidence": "least confidence",
    "margin": "margin",
    "alps": "ALPs",
    "batchbald": "BatchBALD",
}
INITS = {"kmeans": "K-means", "random": "random"}
UP_TO = 0.2


def _method(strategy: str, init: str) -> Method:
    return Method(
        f"{STRATEGIES[strategy]} after {INITS[init]} initialisation", True, strategy, init
    )


def _curves(
    evidence: Evidence, pairs: Mapping[str, tuple[tuple[str, str], tuple[str, str]]]
) -> dict[str, list[Part]]:
    """Return the first (strategy, init) of each pair minus the second, in mean UA."""
    found: dict[str, list[Part]] = {}
    for name, pair in pairs.items():
        try:
            first, second = (evidence.runs(_method(*one)) for one in pair)
        except NotTestable:
            found[name] = []
        else:
            found[name] = curve_parts(name, first, second)
    return found


def kmeans_beats_random(evidence: Evidence) -> Measured:
    """Compare K-means with random initialisation for each of the paper's strategies."""
    found = _curves(
        evidence,
        {words: ((name, "kmeans"), (name, "random")) for name, words in STRATEGIES.items()},
    )
    if not any(found.values()):
        raise NotTestable(
            "no strategy of the paper was run with both K-means and random initialisation (and "
            f"TAPT) at two fractions up to 20 % on {evidence.dataset}"
        )
    return Measured.of("K-means minus random initialisation, mean UA up to 20 %", found)


def entropy_kmeans_is_best(evidence: Evidence) -> Measured:
    """Compare entropy after K-means with each other strategy and initialisation of the paper."""
    ours = ("entropy", "kmeans")
    evidence.runs(_method(*ours))
    others = {
        f"{words} + {start}": (ours, (strategy, init))
        for strategy, words in STRATEGIES.items()
        for init, start in INITS.items()
        if (strategy, init) != ours
    }
    found = _curves(evidence, others)
    if not any(found.values()):
        raise NotTestable(
            "no other strategy or initialisation of the paper was run beside entropy after "
            f"K-means at two fractions up to 20 % on {evidence.dataset}"
        )
    return Measured.of("entropy after K-means minus each other, mean UA up to 20 %", found)


def curve_parts(name: str, first: pd.DataFrame, second: pd.DataFrame) -> list[Part]:
    """Return first minus second in mean UA over the labelled fractions that both have.

    The mean is the normalised area under the learning curve (trapezoids, span of the fractions
    as the unit) up to UP_TO, in points. None with fewer than two common fractions.
    """
    common = [
        budget
        for budget in budget_union(first["budget"])
        if budget <= UP_TO + 1e-6
        and not at_budget(first, budget).empty
        and not at_budget(second, budget).empty
    ]
    if len(common) < 2:
        return []
    summary = paired_difference(_area(first, common), _area(second, common))
    span = f"{percent(common[0])} to {percent(common[-1])}"
    return [Part(f"{name}, {span}", POINTS, ABOVE_ZERO, summary)] if summary["n"] else []


def _area(rows: pd.DataFrame, budgets: list[float]) -> pd.DataFrame:
    shown = rows[rows["budget"].astype(float).round(6).isin(budgets)]
    curve = values(shown, "ua", 100).assign(budget=shown["budget"].astype(float))
    return area(curve)
