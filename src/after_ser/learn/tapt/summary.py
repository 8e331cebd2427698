"""Did the loss still fall at the end of the run?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WINDOW = 0.1  # share of the steps
THRESHOLD = 0.01  # relative improvement


def levelled_off(losses: Sequence[float]) -> dict[str, Any]:
    """Compare the mean loss of the last 10 % of steps with that of the 10 % before.

    "levelled_off" is true where the relative improvement is below 1 %, and null for runs of
    fewer than 20 steps, which cannot tell.
    """
    window = int(len(losses) * WINDOW)
    record: dict[str, Any] = {
        "steps": len(losses),
        "window_steps": window,
        "loss_first": _mean(losses[:window]) if window else None,
        "loss_before": None,
        "loss_last": None,
        "relative_improvement": None,
        "threshold": THRESHOLD,
        "levelled_off": None,
    }
    if window < 2:
        return record
    before, last = _mean(losses[-2 * window : -window]), _mean(losses[-window:])
    improvement = (before - last) / abs(before) if before else 0.0
    return record | {
        "loss_before": before,
        "loss_last": last,
        "relative_improvement": improvement,
        "levelled_off": improvement < THRESHOLD,
    }


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))
