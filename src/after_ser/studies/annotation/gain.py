"""What the next round may bring: the learning curve so far, extrapolated by an inverse power law.

UA(n) = a - b n^(-c) of n labelled clips, with 0 <= a <= 1, b >= 0 and c between C_MIN and C_MAX
(Figueroa, Zeng-Treitler, Kandula and Ngo, "Predicting sample size required for classification
performance", BMC Medical Informatics and Decision Making 12:8, 2012). Their fit weights later
points more; here all rounds count alike, and c is taken from a grid, so that the fit has one
solution and no starting point.

The interval is a bootstrap interval. Each draw takes a curve on resampled val clips, and adds to
its fit the residuals of the curve so far, resampled and inflated for the fitted parameters. So the
interval covers which clips are in val and how rounds scatter about the curve, but not that the
curve may have another shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from after_ser.core.seeding import rng
from after_ser.judge.statistics import LEVEL

PARAMETERS = 3
#: With as many rounds as parameters every curve fits exactly, and shows no scatter.
MIN_ROUNDS = PARAMETERS + 1
C_MIN, C_MAX = 0.05, 2.0
_GRID = np.geomspace(C_MIN, C_MAX, 60)
_DRAWS = 2000


@dataclass(frozen=True)
class Gain:
    """The expected gain of a next round, UA as fractions.

    mean:      gain of the fitted curve from the clips labelled now to `labelled`
    low, high: its interval at LEVEL
    score:     the fitted curve at `labelled`
    ceiling:   the limit of the fitted curve, for ever more labels
    note:      why nothing can be said; then all numbers but `labelled` are None
    """

    labelled: int
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    score: float | None = None
    ceiling: float | None = None
    note: str = ""


def fit_power_law(labelled: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Return a, b and c [curves, 3] of the least squares fits of UA `curves` [curves, rounds].

    labelled: clips per round, [rounds].
    """
    curves = np.atleast_2d(np.asarray(curves, dtype=float))
    best = np.full(len(curves), np.inf)
    parameters = np.zeros((len(curves), PARAMETERS))
    mean = curves.mean(axis=1)
    for c in _GRID:
        x = np.asarray(labelled, dtype=float) ** -c
        spread = x - x.mean()
        b = np.maximum(-(curves @ spread) / (spread @ spread), 0.0)
        a = mean + b * x.mean()
        # where the best end lies above 1, the best fit within bounds ends at 1
        above = a > 1
        b = np.where(above, np.maximum((1 - curves) @ x / (x @ x), 0.0), b)
        a = np.where(above, 1.0, a)
        error = ((curves - a[:, None] + b[:, None] * x) ** 2).sum(axis=1)
        better = error < best
        best = np.where(better, error, best)
        parameters[better] = np.stack([a, b, np.full_like(a, c)], axis=1)[better]
    return parameters


def power_law(parameters: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Return UA [curves, points] of fits [curves, 3] at numbers of labelled clips [points]."""
    a, b, c = (parameters[:, [index]] for index in range(PARAMETERS))
    value: np.ndarray = a - b * np.asarray(labelled, dtype=float)[None, :] ** -c
    return value


def expected_gain(
    labelled: np.ndarray, ua: np.ndarray, drawn: np.ndarray, after: int, *name: str | int
) -> Gain:
    """Return what labelling until `after` clips are labelled may bring.

    labelled, ua: clips and val UA of the finished rounds, [rounds]; drawn: the same UA on val
    clips drawn again, [draws, rounds] (`val_curve`). `name` names the random source.
    """
    labelled = np.asarray(labelled, dtype=float)
    rounds = len(labelled)
    if rounds < MIN_ROUNDS:
        return Gain(after, note=f"{rounds} of the {MIN_ROUNDS} rounds that are needed")
    if after <= labelled[-1]:
        return Gain(after, note="no clip is left to ask for")
    if len(np.unique(labelled)) < PARAMETERS:
        return Gain(after, note="too few of the rounds have brought labels")
    source = rng("gain", *name)
    main = fit_power_law(labelled, ua)
    residuals = ua - power_law(main, labelled)[0]
    residuals = (residuals - residuals.mean()) * np.sqrt(rounds / (rounds - PARAMETERS))
    chosen = drawn[source.integers(len(drawn), size=_DRAWS)]
    fitted = power_law(fit_power_law(labelled, chosen), labelled)
    noisy = fitted + residuals[source.integers(rounds, size=fitted.shape)]
    ends = np.array([labelled[-1], after])
    now, then = power_law(fit_power_law(labelled, noisy), ends).T
    low, high = np.quantile(then - now, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    ua_now, ua_then = power_law(main, ends)[0]
    return Gain(
        after,
        mean=float(ua_then - ua_now),
        low=float(low),
        high=float(high),
        score=float(ua_then),
        ceiling=float(main[0, 0]),
    )
