"""The rules by which a claim is supported, not supported, undecided or not testable here.

They are described for readers in docs/claims.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

from after_ser.judge.claims.model import Arithmetic, Measured, Part
from after_ser.judge.comparison import ALPHA, FEWEST_FOLDS, holm

SUPPORTED = "supported"
NOT_SUPPORTED = "not supported"
UNDECIDED = "undecided"
NOT_TESTABLE = "not testable here"
HOLDS, REVERSED, OPEN = "holds", "reversed", "open"
NO_INTERVAL, TOO_FEW = "no interval", "too few folds"


@dataclass(frozen=True)
class Judged:
    """A verdict with its reason, the part that decides it, and what is said of each part."""

    verdict: str
    reason: str
    decisive: Part | None
    outcomes: list[str]
    p: list[float | None]
    p_holm: list[float | None]


def p_outside(part: Part) -> float | None:
    """Return the p value of "the effect is in the claimed range"; None where there is no test.

    Two-sided t test over fold means against the bound that the mean is beyond, and 1 where the
    mean is within the range: a valid, conservative p value of that hypothesis.
    """
    mean, sd, n = (part.summary[name] for name in ("mean", "sd", "n_folds"))
    if part.interval is None or n < FEWEST_FOLDS:
        return None
    low, high = part.bounds
    bound = low if mean < low else high if mean > high else None
    if bound is None:
        return 1.0
    return float(2 * stats.t.sf(abs(mean - bound) / (sd / n**0.5), n - 1))


def _outcome(part: Part, p_holm: float | None) -> str:
    if part.interval is None:
        return NO_INTERVAL
    if p_holm is None:
        return TOO_FEW
    if p_holm < ALPHA:
        return REVERSED
    low, high = part.interval
    return HOLDS if part.claimed[0] < low and high < part.claimed[1] else OPEN


def _margin(part: Part) -> float:
    """Return how far the mean is inside the claimed range; negative outside of it."""
    low, high = part.bounds
    return min(part.summary["mean"] - low, high - part.summary["mean"])


def _weakest(parts: list[Part]) -> Part:
    return min(parts, key=_margin)


def judge_arithmetic(found: Arithmetic) -> Judged:
    """Return whether the stated gains follow from the printed numbers, to two decimals."""
    follows = all(abs(stated - gain) < 0.005 for stated, gain in found.gains.values())
    text = ", ".join(
        f"{gain:+.2f} {metric} (stated: {stated:+.2f})"
        for metric, (stated, gain) in found.gains.items()
    )
    reason = f"arithmetic of the printed tables, no measurement: they yield {text}"
    reason = "; ".join(part for part in (reason, found.remark) if part)
    return Judged(SUPPORTED if follows else NOT_SUPPORTED, reason, None, [], [], [])


def judge(measured: Measured) -> Judged:
    """Return the verdict on what was measured.

    - supported: every part that the paper has was run, and the 95 % interval of each lies in
      the claimed range (intersection-union test: no correction is needed, Berger 1982)
    - not supported: at least one part is outside, with Holm-adjusted p < 0.05 over the parts
    - not testable here: there is no part, or none has an interval
    - undecided: everything else, and every part of fewer than FEWEST_FOLDS folds
    """
    parts = measured.parts
    p_values = [p_outside(part) for part in parts]
    adjusted = holm(p_values)
    outcomes = [_outcome(part, p) for part, p in zip(parts, adjusted, strict=True)]

    def result(verdict: str, reason: str, decisive: Part | None) -> Judged:
        reason = "; ".join(text for text in (reason, _missing(measured), measured.remark) if text)
        return Judged(verdict, reason, decisive, outcomes, p_values, adjusted)

    if not parts:
        return result(NOT_TESTABLE, "nothing to compare was run", None)
    if all(outcome == NO_INTERVAL for outcome in outcomes):
        return result(NOT_TESTABLE, _no_interval(parts), _weakest(parts))
    if REVERSED in outcomes:
        index = min(
            (i for i, outcome in enumerate(outcomes) if outcome == REVERSED),
            key=lambda i: adjusted[i] or 0.0,
        )
        return result(NOT_SUPPORTED, _reversed(parts, outcomes, adjusted[index]), parts[index])
    weakest = _weakest(parts)
    if all(outcome == HOLDS for outcome in outcomes):
        verdict = UNDECIDED if measured.missing else SUPPORTED
        where = f"all {len(parts)} intervals lie" if len(parts) > 1 else "the interval lies"
        where = "both intervals lie" if len(parts) == 2 else where
        alike = len({part.claimed for part in parts}) == 1
        side = _range(weakest) if alike else "wholly on the claimed side"
        return result(verdict, f"{where} {side}", weakest)
    return result(UNDECIDED, _open(parts, outcomes), weakest)


def _range(part: Part) -> str:
    text = part.claimed_text()
    return text if text.startswith(("above", "below")) else f"in the range {text}"


def _missing(measured: Measured) -> str:
    return f"not run here: {', '.join(measured.missing)}" if measured.missing else ""


def _no_interval(parts: list[Part]) -> str:
    if all(part.summary["n_folds"] < 2 for part in parts):
        return "one fold: no confidence interval"
    return "the folds agree to the last digit, so there is no spread to make an interval of"


def _reversed(parts: list[Part], outcomes: list[str], p_value: float | None) -> str:
    p_text = "p < 0.001" if (p_value or 0.0) < 0.001 else f"p = {p_value:.3f}"
    if len(parts) == 1:
        return f"the interval lies wholly outside the claimed range ({parts[0].claimed_text()})"
    return (
        f"{outcomes.count(REVERSED)} of {len(parts)} comparisons lie outside the claimed range "
        f"(Holm-corrected {p_text} here)"
    )


def _open(parts: list[Part], outcomes: list[str]) -> str:
    if all(outcome in (TOO_FEW, NO_INTERVAL) for outcome in outcomes):
        return "two folds are too few for a verdict"
    if len(parts) == 1:
        return f"the interval is not wholly {_range(parts[0])}"
    held = outcomes.count(HOLDS)
    inside = sum(part.inside for part in parts)
    text = f"{held} of {len(parts)} intervals lie wholly on the claimed side"
    if inside > held:
        text += f", {inside} means do"
    without = outcomes.count(NO_INTERVAL) + outcomes.count(TOO_FEW)
    return f"{text}; {without} cannot be tested" if without else text
