"""Is a difference between two arms more than chance? Tests, and the correction for many of them.

Runs of one fold share their test clips, so they are not independent evidence of a difference: a
t-test over all fold x seed differences finds one where there is none in 30 % of cases with five
folds and five seeds, and in 46 % with ten (tests/judge/test_comparison.py). The main test is
therefore over fold means, with Nadeau and Bengio's beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from after_ser.judge.statistics import LEVEL, fold_means, summarise

ALPHA = 0.05
# Two folds leave one degree of freedom: nothing below 12.7 standard errors could be found, and
# nothing says whether the two are typical. Tables print a p-value from three on.
FEWEST_FOLDS = 3
# Differences that agree to this part of the largest score are equal but for rounding.
_ROUNDING = 1e-9


def paired_t_test(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, Any]:
    """Return a two-sided paired t-test of first minus second over fold means.

    Both frames hold [fold, seed, value]; runs are paired by fold and seed, and differences
    averaged over the seeds of a fold, which leaves one number per fold and n_folds - 1 degrees
    of freedom. Keys: mean, sd (of the fold differences), ci_low, ci_high (95 %), all in the unit
    of `value`; n_folds, n_seeds, n (pairs), t, df, p and note. Where there is no test, t, df and
    p are None and `note` says why: fewer than two folds, or differences without any spread, of
    which nothing but the mean can be said. Raises ValueError as `summarise` does.
    """
    pairs = _pairs(first, second)
    summary = summarise(pairs)
    result: dict[str, Any] = {
        name: summary[name]
        for name in ("mean", "sd", "ci_low", "ci_high", "n_folds", "n_seeds", "n", "note")
    }
    result |= {"t": None, "df": None, "p": None}
    notes = [summary["note"], _unpaired(first, second, pairs)]
    if summary["n_folds"] == 0:
        notes[0] = "no fold and seed that both have"
    elif summary["n_folds"] == 1:
        notes[0] = "one fold: no s.d., no interval and no test"
    else:
        differences = fold_means(pairs).to_numpy(dtype=float)
        spread = _no_spread(differences, pairs, "fold")
        if spread:
            result |= {"ci_low": None, "ci_high": None}
            notes.append(spread)
        else:
            test = stats.ttest_1samp(differences, 0.0)
            low, high = test.confidence_interval(LEVEL)
            result |= {"ci_low": float(low), "ci_high": float(high), "df": int(test.df)}
            result |= {"t": float(test.statistic), "p": float(test.pvalue)}
    return result | {"note": "; ".join(text for text in notes if text)}


def nadeau_bengio(
    first: pd.DataFrame, second: pd.DataFrame, test_train_ratio: float
) -> dict[str, Any]:
    """Return the corrected resampled t-test of first minus second over all fold x seed runs.

    Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52 (2003),
    section 5 ("corrected resampled t-test"): with J differences of sample variance s2, the
    variance of their mean is taken as s2 * (1/J + n_test/n_train), since resamples share most
    of their training clips; t has J - 1 degrees of freedom. `test_train_ratio` is
    n_test/n_train, 1/(K-1) for K folds. Frames and pairing as in `paired_t_test`.

    Keys: mean, sd (of the differences), n (J), n_folds, n_seeds, ratio, t, df, p and note; t,
    df and p are None, and `note` says why, with fewer than two runs or folds (seeds of one fold
    are no resamples of the data) and where the differences have no spread. Raises ValueError
    for a ratio that is not above 0, or as `summarise` does.
    """
    if not test_train_ratio > 0:
        raise ValueError(f"n_test/n_train is {test_train_ratio}, expected more than 0")
    pairs = _pairs(first, second)
    summary = summarise(pairs)
    differences = pairs["value"].to_numpy(dtype=float)
    count = len(differences)
    result: dict[str, Any] = {
        "mean": float(differences.mean()) if count else None,
        "sd": float(differences.std(ddof=1)) if count > 1 else None,
        "n": count,
        "n_folds": summary["n_folds"],
        "n_seeds": summary["n_seeds"],
        "ratio": float(test_train_ratio),
        "t": None,
        "df": None,
        "p": None,
    }
    notes = [_unpaired(first, second, pairs)]
    if summary["n_folds"] < 2:
        notes.append(f"{summary['n_folds'] or 'no'} fold: no test")
    else:
        spread = _no_spread(differences, pairs, "run")
        if spread:
            notes.append(spread)
        else:
            variance = differences.var(ddof=1) * (1 / count + test_train_ratio)
            statistic = float(differences.mean() / np.sqrt(variance))
            p = 2 * float(stats.t.sf(abs(statistic), count - 1))
            result |= {"t": statistic, "df": count - 1, "p": p}
    return result | {"note": "; ".join(text for text in notes if text)}


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values (Scandinavian Journal of Statistics 6, 1979), in order.

    The family is what has a p-value: None stays None and does not count. Rejecting where the
    adjusted value is below alpha keeps the chance of any false rejection in the family at
    alpha. Raises ValueError for a value outside 0..1 (NaN included).
    """
    known = [p for p in p_values if p is not None]
    for p in known:
        if not 0 <= p <= 1:
            raise ValueError(f"p-value {p}, expected a number from 0 to 1 or None")
    if not known:
        return [None] * len(p_values)
    adjusted = iter(multipletests(known, method="holm")[1])
    return [None if p is None else float(next(adjusted)) for p in p_values]


def _pairs(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return [fold, seed, value_first, value_second, value] of the runs both frames have."""
    columns = ["fold", "seed", "value"]
    both = first[columns].merge(
        second[columns], on=["fold", "seed"], suffixes=("_first", "_second")
    )
    return both.assign(value=both["value_first"] - both["value_second"])


def _unpaired(first: pd.DataFrame, second: pd.DataFrame, pairs: pd.DataFrame) -> str:
    most = max(len(first), len(second))
    return "" if len(pairs) == most else f"{len(pairs)} of {most} runs have a partner"


def _no_spread(differences: np.ndarray, pairs: pd.DataFrame, what: str) -> str:
    """Return why the differences cannot be tested, "" where they vary.

    Without spread t is 0/0 or infinite, and p = 0 would claim certainty from a coincidence.
    """
    scores = pairs[["value_first", "value_second"]].to_numpy(dtype=float)
    rounding = _ROUNDING * np.abs(scores).max()
    if np.ptp(differences) > rounding:
        return ""
    if np.abs(differences).max() <= rounding:
        return f"no difference in any {what} (the same models or predictions): no test"
    return f"the same difference in every {what}: no spread, so no test and no interval"
