"""What a run has to judge claims by: cells found by what an arm does, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from after_ser.judge.cells import at_budget, percent, values
from after_ser.judge.claims.model import POINTS, NotTestable, Part
from after_ser.judge.grid import SPLIT
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

    def needed(self, method: Method, budget: float) -> pd.DataFrame:
        """Return the rows of `runs` at one fraction; raises NotTestable where there are none."""
        rows = at_budget(self.runs(method), budget)
        if rows.empty:
            raise NotTestable(f"{method.words} was not run with {percent(budget)} of the labels")
        return rows

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


def in_points(
    name: str,
    first: pd.DataFrame,
    second: pd.DataFrame,
    claimed: tuple[float, float],
    printed: Mapping[str, float | None],
) -> list[Part]:
    """Return first minus second in points; none without a common fold and seed.

    printed: the paper's effect on each metric that is compared. name: "" for the metric's alone.
    """
    parts = []
    for metric, effect in printed.items():
        summary = paired_difference(
            *(values(rows, metric.lower(), 100) for rows in (first, second))
        )
        if summary["n"]:
            title = f"{name}, {metric}" if name else metric
            parts.append(Part(title, POINTS, claimed, summary, effect))
    return parts


def printed_difference(
    first: tuple[Method, float], second: tuple[Method, float]
) -> dict[str, float | None]:
    """Return {metric: difference of two methods at a fraction each, in points, in Table 4}."""
    found: dict[str, float | None] = {}
    for metric in METRICS:
        one, other = (published.value(COLUMN[how], metric, at) for how, at in (first, second))
        found[metric] = None if one is None or other is None else one - other
    return found
