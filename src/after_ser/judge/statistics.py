"""Mean, spread and confidence interval of a score over folds and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

LEVEL = 0.95


def fold_means(values: pd.DataFrame) -> pd.Series:
    """Return the mean `value` per fold of a frame [fold, seed, value], indexed by fold.

    Runs of one fold share their test clips and are no independent evidence, so seeds are
    averaged before anything is said about spread.
    """
    return values.groupby("fold", sort=True)["value"].mean()


def summarise(values: pd.DataFrame) -> dict[str, Any]:
    """Return n_folds, n_seeds, n, mean, sd, ci_low, ci_high and note of [fold, seed, value].

    Seeds are averaged within their fold first; mean, sample s.d. and the 95 % t interval are
    those of the fold means, in the unit of `value`. With one fold, sd and the interval are
    None and `note` says so. Raises ValueError where a (fold, seed) occurs twice or a value is
    not finite, because either means that cells were mixed up.
    """
    values = values[["fold", "seed", "value"]]
    if values.duplicated(["fold", "seed"]).any():
        raise ValueError("a fold and seed occurs twice: cells of several settings were mixed")
    if not np.isfinite(values["value"].to_numpy(dtype=float)).all():
        raise ValueError("a value is missing or infinite")
    means = fold_means(values).to_numpy(dtype=float)
    n = len(means)
    summary: dict[str, Any] = {
        "n_folds": n,
        "n_seeds": int(values["seed"].nunique()),
        "n": len(values),
        "mean": float(means.mean()) if n else None,
        "sd": None,
        "ci_low": None,
        "ci_high": None,
        "note": "",
    }
    if n == 0:
        return summary | {"note": "no run"}
    if n == 1:
        return summary | {"note": "one fold: no s.d. and no confidence interval"}
    sd = float(means.std(ddof=1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * sd / n**0.5
    summary |= {"sd": sd, "ci_low": summary["mean"] - half, "ci_high": summary["mean"] + half}
    runs = values.groupby("fold")["seed"].nunique()
    if runs.nunique() > 1:
        summary["note"] = f"unequal numbers of seeds per fold ({runs.min()} to {runs.max()})"
    return summary


def paired_difference(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, Any]:
    """Return `summarise` of first minus second over the (fold, seed) pairs both have.

    Both frames hold [fold, seed, value]. Pairing by fold and seed is what makes the interval
    that of the difference: the two share test clips and initialisation.
    """
    both = first.merge(second, on=["fold", "seed"], suffixes=("_first", "_second"))
    both["value"] = both["value_first"] - both["value_second"]
    return summarise(both)
