"""Tests of differences: against scipy, by hand, and on simulated data without an effect."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from after_ser.judge.comparison import holm, nadeau_bengio, paired_t_test

FOLD_SD, SEED_SD = 1.5, 1.3  # points, of differences, without an effect
FOLDS = 5
REPEATS = 20_000


def runs(table: np.ndarray) -> pd.DataFrame:
    """Return [fold, seed, value] of values [folds, seeds]."""
    rows = [(str(f + 1), str(s), float(v)) for (f, s), v in np.ndenumerate(np.asarray(table))]
    return pd.DataFrame(rows, columns=["fold", "seed", "value"])


def test_t_test_is_scipys_over_fold_means():
    noise = np.random.default_rng(1)
    first, second = noise.normal(60, 3, (2, 5, 4))
    result = paired_t_test(runs(first), runs(second))
    wanted = stats.ttest_rel(first.mean(axis=1), second.mean(axis=1))
    assert result["t"] == pytest.approx(wanted.statistic)
    assert (result["p"], result["df"]) == (pytest.approx(wanted.pvalue), 4)
    interval = wanted.confidence_interval(0.95)
    assert (result["ci_low"], result["ci_high"]) == (
        pytest.approx(interval.low),
        pytest.approx(interval.high),
    )
    assert result["mean"] == pytest.approx((first - second).mean())
    assert result["sd"] == pytest.approx((first - second).mean(axis=1).std(ddof=1))
    assert (result["n_folds"], result["n_seeds"], result["note"]) == (5, 4, "")


def test_pairs_are_found_by_fold_and_seed_not_by_position():
    noise = np.random.default_rng(2)
    first, second = (runs(table) for table in noise.normal(60, 3, (2, 4, 3)))
    shuffled = second.sample(frac=1, random_state=0)
    assert paired_t_test(first, shuffled) == paired_t_test(first, second)
    assert nadeau_bengio(first, shuffled, 0.25)["t"] == pytest.approx(
        nadeau_bengio(first, second, 0.25)["t"]
    )
    part = paired_t_test(first, second[second["fold"] != "4"])
    assert part["n_folds"] == 3 and part["note"].startswith("9 of 12 runs")


@pytest.mark.parametrize(
    ("first", "second", "note"),
    [
        ([[60.0, 61.0]], [[58.0, 57.0]], "one fold"),
        ([[60.0], [62.0], [64.0]], [[60.0], [62.0], [64.0]], "no difference in any fold"),
        ([[60.0], [62.0], [64.0]], [[59.9], [61.9], [63.9]], "same difference in every fold"),
    ],
)
def test_no_p_value_without_two_folds_or_any_spread(first, second, note):
    result = paired_t_test(runs(first), runs(second))
    assert result["p"] is None and result["t"] is None and result["df"] is None
    assert result["ci_low"] is None and result["ci_high"] is None
    assert note in result["note"]
    assert result["mean"] == pytest.approx(np.mean(np.subtract(first, second)))
    assert nadeau_bengio(runs(first), runs(second), 0.25)["p"] is None


def test_arms_without_a_common_run_are_not_tested():
    first, second = runs([[60.0]]), runs([[60.0]]).assign(fold="9")
    assert paired_t_test(first, second)["mean"] is None
    assert "both have" in paired_t_test(first, second)["note"]
    assert nadeau_bengio(first, second, 0.25)["p"] is None


def test_nadeau_bengio_by_hand():
    first, second = np.array([[3.0, 5.0], [4.0, 8.0], [1.0, 3.0]]), np.zeros((3, 2))
    result = nadeau_bengio(runs(first), runs(second), 0.5)
    differences = first.ravel()  # mean 4, sum of squares around it 28, s2 = 5.6
    t = 4 / np.sqrt(5.6 * (1 / 6 + 0.5))
    assert differences.mean() == 4 and differences.var(ddof=1) == pytest.approx(5.6)
    assert (result["t"], result["df"], result["n"]) == (pytest.approx(t), 5, 6)
    assert result["p"] == pytest.approx(2 * stats.t.sf(t, 5))
    # 5 x 5 runs of leave-one-session-out: 2.69 times the naive standard error
    assert np.sqrt((1 / 25 + 1 / 4) / (1 / 25)) == pytest.approx(2.69, abs=0.005)
    naive = stats.ttest_1samp(differences, 0).statistic
    assert result["t"] == pytest.approx(naive / np.sqrt((1 / 6 + 0.5) / (1 / 6)))
    with pytest.raises(ValueError, match="expected more than 0"):
        nadeau_bengio(runs(first), runs(second), 0.0)


def test_holm_by_hand_and_none_is_no_member_of_the_family():
    assert holm([0.04, None, 0.01, 0.03]) == [
        pytest.approx(0.06),  # max(0.03 * 2, 0.04 * 1)
        None,
        pytest.approx(0.03),
        pytest.approx(0.06),
    ]
    assert holm([0.04, 0.01, 0.03, 1.0])[1] == pytest.approx(0.04)
    assert holm([None, None]) == [None, None] and holm([]) == []
    for wrong in (float("nan"), -0.1, 1.2):
        with pytest.raises(ValueError, match="p-value"):
            holm([0.5, wrong])


def without_effect(rng: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    """Return scores [repeats, arms, folds, seeds]; differences have FOLD_SD and SEED_SD."""
    fold = rng.normal(0, FOLD_SD / np.sqrt(2), (REPEATS, arms, FOLDS, 1))
    return 60 + fold + rng.normal(0, SEED_SD / np.sqrt(2), (REPEATS, arms, FOLDS, seeds))


def margin(rate: float) -> float:
    """Return three Monte-Carlo standard errors of a rejection rate."""
    return 3 * np.sqrt(rate * (1 - rate) / REPEATS)


@pytest.mark.parametrize(("seeds", "pooled_rate"), [(5, 0.296), (10, 0.46)])
def test_without_an_effect_only_the_pooled_test_finds_one(seeds, pooled_rate):
    scores = without_effect(np.random.default_rng(seeds), 2, seeds)
    differences = scores[:, 0] - scores[:, 1]
    by_fold = stats.ttest_1samp(differences.mean(axis=2), 0.0, axis=1).pvalue
    pooled = differences.reshape(REPEATS, -1)
    naive = stats.ttest_1samp(pooled, 0.0, axis=1)
    inflation = np.sqrt((1 / pooled.shape[1] + 1 / (FOLDS - 1)) * pooled.shape[1])
    corrected = 2 * stats.t.sf(np.abs(naive.statistic) / inflation, pooled.shape[1] - 1)
    for one in range(0, REPEATS, REPEATS // 25):  # what is counted below is what the tables use
        pair = runs(scores[one, 0]), runs(scores[one, 1])
        assert paired_t_test(*pair)["p"] == pytest.approx(by_fold[one])
        assert nadeau_bengio(*pair, 1 / (FOLDS - 1))["p"] == pytest.approx(corrected[one])
    assert 0.04 <= np.mean(by_fold < 0.05) <= 0.06
    assert np.mean(naive.pvalue < 0.05) == pytest.approx(pooled_rate, abs=0.015)
    assert np.mean(corrected < 0.05) <= 0.05


@pytest.mark.parametrize("arms", [2, 6])
def test_without_an_effect_holm_keeps_the_whole_family_at_five_percent(arms):
    """One reference, several arms and budgets, as in a table: tests that depend on each other."""
    rng = np.random.default_rng(arms)
    budgets, seeds = 3, 3
    tables = [without_effect(rng, arms, seeds).mean(axis=3) for _ in range(budgets)]
    differences = np.concatenate([table[:, 1:] - table[:, :1] for table in tables], axis=1)
    p = stats.ttest_1samp(differences, 0.0, axis=2).pvalue  # [repeats, (arms - 1) * budgets]
    family = p.shape[1]
    any_rejected = p.min(axis=1) * family < 0.05  # Holm rejects something iff its first step does
    # few, since statsmodels collects garbage in every call
    for one in itertools.chain(range(0, REPEATS, REPEATS // 8), np.flatnonzero(any_rejected)[:8]):
        adjusted = holm(list(p[one]))
        assert (min(adjusted) < 0.05) == any_rejected[one]
    assert np.mean(any_rejected) <= 0.05 + margin(0.05)
    if arms > 2:
        assert np.mean((p < 0.05).any(axis=1)) > 0.2, "uncorrected, the family would reject"


def test_a_real_effect_is_found():
    rng = np.random.default_rng(3)
    first = 60 + rng.normal(0, 0.5, (5, 5))
    assert paired_t_test(runs(first + 4), runs(first))["note"].startswith("the same difference")
    found = paired_t_test(runs(first + 4 + rng.normal(0, 1, (5, 5))), runs(first))
    assert found["p"] < 0.01 and found["ci_low"] > 0
