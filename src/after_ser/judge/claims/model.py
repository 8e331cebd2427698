"""What measuring a claim yields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from after_ser.judge.tables.table import number

POINTS = "points"  # percentage points
FACTOR = "factor"  # one time over another; its statistics are those of the logarithm
SHARE = "% of the rise"
NO_SPREAD = 1e-9  # s.d. of equal differences is rounding
ABOVE_ZERO = (0.0, math.inf)
BELOW_ZERO = (-math.inf, 0.0)

SCORES, TIMES, OUTLIERS, PRINTED = "scores", "times", "outliers", "printed tables"


class NotTestable(Exception):  # noqa: N818 (an outcome, not an error)
    """The run has no data for the claim; the message says what is not there."""


@dataclass(frozen=True)
class Part:
    """One comparison out of those that a claim is made of.

    `summary` is what `judge.statistics.summarise` returns for the effect over folds and
    seeds, in `unit` (of the natural logarithm where the unit is FACTOR). `claimed` is the range
    of effects, in `unit`, that the paper claims, `published` the effect that its tables print.
    """

    name: str
    unit: str
    claimed: tuple[float, float]
    summary: Mapping[str, Any]
    published: float | None = None

    def _shown(self, value: float | None) -> float | None:
        return math.exp(value) if value is not None and self.unit == FACTOR else value

    @property
    def effect(self) -> float | None:
        """Return the mean effect in `unit`."""
        return self._shown(self.summary["mean"])

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % interval in `unit`, or None without one.

        Folds that agree to the last digit have no spread that an interval could be made of
        (on few test clips that is chance, not precision).
        """
        low, high = self.summary["ci_low"], self.summary["ci_high"]
        if low is None or high is None or self.summary["sd"] < NO_SPREAD:
            return None
        shown = self._shown(low), self._shown(high)
        return float(shown[0] or 0.0), float(shown[1] or 0.0)

    @property
    def bounds(self) -> tuple[float, float]:
        """Return `claimed` on the scale of `summary`."""
        if self.unit != FACTOR:
            return self.claimed
        low, high = self.claimed
        return (math.log(low) if low > 0 else -math.inf), math.log(high)

    @property
    def inside(self) -> bool:
        """Tell whether the mean effect is on the claimed side."""
        return self.bounds[0] < self.summary["mean"] < self.bounds[1]

    def text(self) -> str:
        """Return effect and interval as text, e.g. "+3.9 [−1.2, 9.0] points"."""

        def show(value: float | None, signed: bool) -> str:
            if self.unit == FACTOR and value is not None:
                return f"{value:.2f}"
            return number(value, "UA", signed=signed)

        spread = ""
        if self.interval is not None:
            low, high = (show(value, False) for value in self.interval)
            spread = f" [{low}, {high}]"
        effect = show(self.effect, True)
        return f"× {effect}{spread}" if self.unit == FACTOR else f"{effect}{spread} {self.unit}"

    def claimed_text(self) -> str:
        """Return the claimed range in words, e.g. "above 0"."""

        def show(value: float) -> str:
            return f"{value:.4g}".replace("-", "−")

        low, high = self.claimed
        if math.isinf(high):
            return f"above {show(low)}"
        if math.isinf(low) or (self.unit == FACTOR and low == 0):
            return f"below {show(high)}"
        return f"from {show(low)} to {show(high)}"


@dataclass(frozen=True)
class Measured:
    """What this run has on a claim.

    `compared` says which arms at which label fractions, `missing` which comparisons of the
    paper's this run lacks, `remark` what a reader must know beside the verdict.
    """

    compared: str
    parts: list[Part]
    missing: list[str] = field(default_factory=list)
    remark: str = ""

    @classmethod
    def of(cls, compared: str, found: Mapping[str, list[Part]], remark: str = "") -> Measured:
        """Build from {comparison of the paper's: its parts, none where it was not run}."""
        missing = [name for name, parts in found.items() if not parts]
        return cls(compared, list(chain.from_iterable(found.values())), missing, remark)


@dataclass(frozen=True)
class Arithmetic:
    """What the paper's printed numbers yield by themselves; nothing of this run is in it.

    `gains` maps a metric to (the points that the paper states, the points that follow).
    """

    compared: str
    gains: Mapping[str, tuple[float, float]]
    remark: str = ""
