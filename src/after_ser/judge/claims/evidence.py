"""What a run has to judge claims by: cells found by what an arm does, and paired differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from after_ser.judge.cells import at_budget, budget_union, percent, values
from after_ser.judge.claims.model import ABOVE_ZERO, POINTS, NotTestable, Part
from after_ser.judge.grid import SPLIT
from after_ser.judge.learning_curve import area
from after_ser.judge.statistics import paired_difference
from after_ser.judge.tables import published

METRICS = ("UA", "WA")
PAPER_OBJECTIVE = "eq1+eq2"  # Eq. 3 of the paper


@dataclass(frozen=True)
class Method:
    """What an arm does, whatever its id: start, strategy, initial set.

    `init` None is any. A strategy `random` may be drawn at once or in rounds, which the paper
    leaves open; every other strategy works in rounds.
    """

    words: str
    tapt: bool
    strategy: str
    init: str | None = None


FT_RANDOM = Method("random selection without TAPT", False, "random")
TAPT_RANDOM = Method("random selection after TAPT", True, "random")
FT_ENTROPY = Method("entropy selection without TAPT", False, "entropy", "kmeans")
AFTER = Method("AFTER", True, "entropy", "kmeans")
COLUMN = {  # of the paper's Table 4
    FT_RANDOM: "FT-random",
    TAPT_RANDOM: "TAPT+FT-random",
    FT_ENTROPY: "FT-entropy",
    AFTER: "AFTER",
}


@dataclass(frozen=True)
class Evidence:
    """The run's resolved config, its scores and times, and what only some runs have.

    outliers: its table of outliers; baselines: baseline_scores.tsv, as `read_baselines` gives it.
    """

    config: Mapping[str, Any]
    scores: pd.DataFrame
    times: pd.DataFrame
    outliers: pd.DataFrame | None = None
    baselines: pd.DataFrame | None = None

    @property
    def dataset(self) -> str:
        """Return the dataset that stands for the paper's Merged."""
        return str(self.config["tables"]["claims"]["dataset"])

    @property
    def protocol(self) -> str:
        """Return the fine-tuning protocol whose cells are looked at."""
        return str(self.config["tables"]["claims"].get("protocol", "paper"))

    def tapt_start(self) -> str | None:
        """Return the first TAPT of the config with the paper's objective."""
        for name, settings in self.config["tapt"].items():
            if settings.get("objective", PAPER_OBJECTIVE) == PAPER_OBJECTIVE:
                return str(name)
        return None

    def arms(self, method: Method) -> list[str]:
        """Return the ids of the arms that do this, one-shot ones first, else in config order."""
        start = self.tapt_start() if method.tapt else "pretrained"

        def does(arm: Mapping[str, Any]) -> bool:
            return (
                arm["start"] == start
                and arm["strategy"] == method.strategy
                and arm["protocol"] == self.protocol
                and (arm["schedule"] == "oneshot" or method.init in (None, arm["init"]))
            )

        arms = self.config["arms"]
        found = [name for name, arm in arms.items() if does(arm)]
        return sorted(found, key=lambda name: arms[name]["schedule"] != "oneshot")

    def of_arm(self, arm: str, dataset: str | None = None, timed: bool = False) -> pd.DataFrame:
        """Return the arm's rows of scores.tsv (or times.tsv), of the paper's kind of split."""
        frame = self.times if timed else self.scores
        return frame[
            (frame["arm"] == arm)
            & (frame["dataset"] == (dataset or self.dataset))
            & (frame["split"] == SPLIT)
            & (frame["backbone"] == self.config["backbone"])
        ]

    def runs(self, method: Method, dataset: str | None = None, timed: bool = False) -> pd.DataFrame:
        """Return the rows of the first arm that does this and was run; raises NotTestable."""
        for arm in self.arms(method):
            rows = self.of_arm(arm, dataset, timed)
            if not rows.empty:
                return rows
        raise NotTestable(
            f"no table or figure of this config shows {method.words} on {dataset or self.dataset}"
        )

    def alike(self, first: Method, second: Method) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the rows of two methods in arms of equal schedule (and initial set, in rounds).

        So that what they differ in is what is compared. Raises NotTestable without such arms.
        """
        self.runs(first), self.runs(second)  # a method that was not run at all is the better reason
        arms = self.config["arms"]
        for one in self.arms(first):
            for other in self.arms(second):
                same = arms[one]["schedule"] == arms[other]["schedule"]
                if same and arms[one]["schedule"] == "iterative" and first.init == second.init:
                    same = arms[one]["init"] == arms[other]["init"]
                pair = self.of_arm(one), self.of_arm(other)
                if same and not pair[0].empty and not pair[1].empty:
                    return pair
        raise NotTestable(
            f"{first.words} and {second.words} were run in different schedules, which would be "
            "compared as well"
        )


def scores_part(
    name: str,
    first: pd.DataFrame,
    second: pd.DataFrame,
    metric: str,
    claimed: tuple[float, float],
    printed: float | None = None,
) -> Part | None:
    """Return first minus second in points of `metric`; None without a common fold and seed."""
    summary = paired_difference(
        values(first, metric.lower(), 100), values(second, metric.lower(), 100)
    )
    return Part(name, POINTS, claimed, summary, printed) if summary["n"] else None


def printed_difference(first: Method, second: Method, metric: str, budget: float) -> float | None:
    """Return the difference of two methods in the paper's Table 4, in points, if it has both."""
    one, other = (published.value(COLUMN[name], metric, budget) for name in (first, second))
    return None if one is None or other is None else one - other


def over_budgets(
    first: tuple[Method, pd.DataFrame],
    second: tuple[Method, pd.DataFrame],
    budgets: Iterable[float],
    claimed: tuple[float, float],
    label: str = "",
) -> tuple[list[Part], list[str]]:
    """Return first minus second at each fraction in UA and WA, and the fractions not run.

    `first` and `second` are a method and its rows; the published difference is Table 4's.
    """
    parts, missing = [], []
    for budget in budgets:
        name = f"{label}{percent(budget)}"
        found = []
        for metric in METRICS:
            effect = printed_difference(first[0], second[0], metric, budget)
            pair = (at_budget(first[1], budget), at_budget(second[1], budget))
            part = scores_part(f"{name}, {metric}", *pair, metric, claimed, effect)
            found += [] if part is None else [part]
        parts += found
        missing += [] if found else [name]
    return parts, missing


def curve_part(name: str, first: pd.DataFrame, second: pd.DataFrame, limit: float) -> Part | None:
    """Return first minus second in mean UA over the labelled fractions that both have.

    The mean is the normalised area under the learning curve (trapezoids, span of the fractions
    as the unit) up to `limit`, in points. None with fewer than two common fractions.
    """
    common = [
        budget
        for budget in budget_union(first["budget"])
        if budget <= limit + 1e-6
        and not at_budget(first, budget).empty
        and not at_budget(second, budget).empty
    ]
    if len(common) < 2:
        return None
    summary = paired_difference(_area(first, common), _area(second, common))
    span = f"{percent(common[0])} to {percent(common[-1])}"
    return Part(f"{name}, {span}", POINTS, ABOVE_ZERO, summary) if summary["n"] else None


def _area(rows: pd.DataFrame, budgets: list[float]) -> pd.DataFrame:
    shown = rows[rows["budget"].astype(float).round(6).isin(budgets)]
    curve = values(shown, "ua", 100).assign(budget=shown["budget"].astype(float))
    return area(curve)
