"""Means and intervals over folds against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from after_ser.judge.statistics import paired_difference, summarise


def runs(table: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"fold": fold, "seed": str(seed), "value": value}
            for fold, values in table.items()
            for seed, value in enumerate(values)
        ]
    )


def test_seeds_are_averaged_within_folds_first():
    table = {"1": [60.0, 70.0], "2": [50.0, 52.0], "3": [80.0, 82.0]}
    result = summarise(runs(table))
    means = [65.0, 51.0, 81.0]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(means), scale=stats.sem(means))
    assert result["mean"] == pytest.approx(np.mean(means))
    assert result["sd"] == pytest.approx(np.std(means, ddof=1))
    assert (result["ci_low"], result["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    assert (result["n_folds"], result["n_seeds"], result["n"], result["note"]) == (3, 2, 6, "")


def test_more_seeds_do_not_narrow_the_interval():
    few = summarise(runs({"1": [60.0], "2": [50.0], "3": [70.0]}))
    many = summarise(runs({"1": [60.0] * 10, "2": [50.0] * 10, "3": [70.0] * 10}))
    assert few["ci_low"] == pytest.approx(many["ci_low"])


def test_one_fold_has_no_interval_and_says_why():
    result = summarise(runs({"1": [60.0, 62.0]}))
    assert result["mean"] == 61.0
    assert result["sd"] is None and result["ci_low"] is None and result["ci_high"] is None
    assert "one fold" in result["note"]


def test_unequal_seeds_are_named():
    assert "1 to 2" in summarise(runs({"1": [60.0, 62.0], "2": [50.0]}))["note"]


def test_mixed_or_missing_cells_are_errors():
    twice = pd.concat([runs({"1": [60.0]}), runs({"1": [70.0]})])
    with pytest.raises(ValueError, match="twice"):
        summarise(twice)
    with pytest.raises(ValueError, match="missing"):
        summarise(runs({"1": [float("nan")]}))


def test_paired_difference_is_paired():
    first = runs({"1": [60.0], "2": [80.0], "3": [40.0]})
    second = runs({"1": [58.0], "2": [77.0], "3": [39.0]})
    result = paired_difference(first, second)
    low, high = stats.t.interval(0.95, 2, loc=2.0, scale=stats.sem([2.0, 3.0, 1.0]))
    assert result["mean"] == pytest.approx(2.0)
    assert (result["ci_low"], result["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    assert low > -1, "unpaired, these differences would drown in the folds' spread"
    only = paired_difference(first, second[second["fold"] != "3"])
    assert only["n"] == 2
