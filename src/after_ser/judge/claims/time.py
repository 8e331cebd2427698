"""Claims on time (paper, sections 1, 3.2 and 3.5, Table 2, Figure 3).

A cell's time is the wall time of everything it needs: TAPT, latents, initial set, every query and
every fit up to its round. Times of different devices are not compared.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from after_ser.judge.cells import at_budget, budget_union, percent, values
from after_ser.judge.claims.evidence import AFTER, FT_RANDOM, Evidence
from after_ser.judge.claims.model import FACTOR, SHARE, Measured, NotTestable, Part
from after_ser.judge.statistics import paired_difference, summarise
from after_ser.judge.tables import published

FEW, ALL_LABELS, SMALLEST = 0.2, 1.0, 0.01
LEAST_SAVING = 0.785  # what rounds to the 79 % of the paper
STRAIGHT = 10.0  # % of the rise; our margin, the paper gives none


def _device(*frames: pd.DataFrame) -> str:
    """Return the one device that the rows' times are of; raises NotTestable for several."""
    names = sorted(
        {
            name
            for frame in frames
            for row in frame["device"]
            for name in str(row).split(" + ")
            if name
        }
    )
    if len(names) > 1:
        raise NotTestable(f"times were measured on different devices: {', '.join(names)}")
    return names[0] if names else "an unnamed device"


def linear(evidence: Evidence) -> Measured:
    """Compare AFTER's times up to 20 % with the straight line through the first and the last.

    Each fold and seed has its own line; the effect is the time above it, in percent of the
    rise from the first fraction to the last. The line is straight enough within STRAIGHT.
    """
    runs = evidence.runs(AFTER, timed=True)
    budgets = [budget for budget in budget_union(runs["budget"]) if budget <= FEW + 1e-6]
    if len(budgets) < 3 or not np.isclose(budgets[-1], FEW):
        found = ", ".join(percent(budget) for budget in budgets) or "none"
        raise NotTestable(f"needs 20 % and two smaller fractions of AFTER; there are: {found}")
    runs = runs[runs["budget"] <= FEW + 1e-6]
    device = _device(runs)
    table = runs.assign(at=runs["budget"].round(6)).pivot(
        index=["fold", "seed"], columns="at", values="total_s"
    )
    table = table[budgets].dropna().astype(float)
    first, last = budgets[0], budgets[-1]
    rise = table[last] - table[first]
    if not (rise > 0).all():
        raise NotTestable(f"AFTER took no longer at {percent(last)} than at {percent(first)}")
    parts: list[Part] = []
    for budget in budgets[1:-1]:
        line = table[first] + rise * (budget - first) / (last - first)
        frame = table.index.to_frame(index=False)
        frame["value"] = (100 * (table[budget] - line) / rise).to_numpy()
        if not frame.empty:
            parts.append(Part(percent(budget), SHARE, (-STRAIGHT, STRAIGHT), summarise(frame)))
    missing = [] if first <= SMALLEST + 1e-6 else [f"fractions below {percent(first)}"]
    return Measured(
        f"time of AFTER above the straight line from {percent(first)} to {percent(last)}, on "
        f"{device}",
        parts,
        missing,
    )


def _ratio(evidence: Evidence, whole: pd.DataFrame, words: str, printed: float | None) -> Measured:
    few = at_budget(evidence.runs(AFTER, timed=True), FEW)
    every = at_budget(whole, ALL_LABELS)
    if few.empty or every.empty:
        lacking = "AFTER was not run with 20 %" if few.empty else f"{words} was not run with 100 %"
        raise NotTestable(f"{lacking} of the labels")
    device = _device(few, every)
    if not all((frame["total_s"].astype(float) > 0).all() for frame in (few, every)):
        raise NotTestable("a measured time is zero")
    logs = [
        values(frame.assign(log=np.log(frame["total_s"].astype(float))), "log")
        for frame in (few, every)
    ]
    summary = paired_difference(*logs)
    claimed = (0.0, 1 - LEAST_SAVING)
    parts = [Part("whole time", FACTOR, claimed, summary, printed)] if summary["n"] else []
    return Measured(
        f"time of AFTER at 20 % over {words} at 100 %, TAPT and all rounds included, on {device}",
        parts,
    )


def less_than_after(evidence: Evidence) -> Measured:
    """Divide AFTER's time at 20 % by its time at 100 %, as Table 2 does."""
    printed = [
        published.value("AFTER", "minutes", budget) or np.nan for budget in (FEW, ALL_LABELS)
    ]
    runs = evidence.runs(AFTER, timed=True)
    return _ratio(evidence, runs, "AFTER", float(printed[0] / printed[1]))


def less_than_fine_tuning(evidence: Evidence) -> Measured:
    """Divide AFTER's time at 20 % by that of one plain fine-tuning on all labels."""
    for arm in evidence.arms(FT_RANDOM):
        runs = evidence.of_arm(arm, timed=True)
        if not runs.empty and runs["schedule"].iloc[0] == "oneshot":
            return _ratio(evidence, runs, "plain fine-tuning", None)
    raise NotTestable(f"no one-shot fine-tuning without TAPT was run on {evidence.dataset}")
