"""The rules behind verdicts on claims: p values, several comparisons, folds without spread."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from after_ser.judge.claims.model import ABOVE_ZERO, FACTOR, POINTS, Measured, Part
from after_ser.judge.claims.verdict import (
    NOT_SUPPORTED,
    NOT_TESTABLE,
    SUPPORTED,
    UNDECIDED,
    judge,
    p_outside,
)
from after_ser.judge.comparison import holm
from after_ser.judge.statistics import summarise


def part_of(fold_values, claimed=ABOVE_ZERO, unit=POINTS) -> Part:
    folds = range(len(fold_values))
    frame = pd.DataFrame({"fold": folds, "seed": "0", "value": fold_values})
    return Part("part", unit, claimed, summarise(frame))


def test_p_values_by_hand():
    values = [-1.0, -2.0, -0.5, -1.5, -1.2]
    assert p_outside(part_of(values)) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    shifted = stats.ttest_1samp(values, -0.9).pvalue
    assert p_outside(part_of(values, (-0.9, 5.0))) == pytest.approx(shifted)
    assert p_outside(part_of(values, (-9.0, -2.0))) == pytest.approx(
        stats.ttest_1samp(values, -2.0).pvalue
    )
    assert p_outside(part_of([1.0, 2.0, 3.0])) == 1.0
    assert p_outside(part_of([-1.0])) is None and p_outside(part_of([-1.0, -2.0])) is None
    logs = np.log([0.5, 0.6, 0.55])
    assert p_outside(part_of(logs, (0.0, 0.3), FACTOR)) == pytest.approx(
        stats.ttest_1samp(logs, np.log(0.3)).pvalue
    )
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, 0.06, 0.06]
    assert holm([None]) == [None]


def test_one_slightly_reversed_part_of_many_is_not_enough():
    weak = [-1.0, -2.0, -0.2, -1.9, -1.2]
    assert 0.01 < p_outside(part_of(weak)) < 0.05
    assert judge(Measured("", [part_of(weak)])).verdict == NOT_SUPPORTED
    others = [part_of([1.0, 2.0, 3.0, 2.5, 1.5])] * 9
    found = judge(Measured("", [part_of(weak), *others]))
    assert found.verdict == UNDECIDED and found.p_holm[0] > 0.05
    assert found.decisive is not None and found.decisive.effect == pytest.approx(np.mean(weak))


def test_folds_without_spread_decide_nothing():
    equal = part_of([2.0, 2.0, 2.0])
    assert equal.interval is None
    found = judge(Measured("", [equal]))
    assert found.verdict == NOT_TESTABLE and "no spread" in found.reason
    mixed = judge(Measured("", [equal, part_of([1.0, 2.0, 3.0, 2.5, 1.5])]))
    assert mixed.verdict == UNDECIDED and "1 cannot be tested" in mixed.reason
    nothing_run = judge(Measured("", []))
    assert nothing_run.verdict == NOT_TESTABLE


def test_no_effect_is_rarely_called_one(monkeypatch):
    """On data without effect, at most 5 % of claims are refuted and hardly any is supported."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)  # statsmodels calls it each time: slow
    draws = np.random.default_rng(3)
    factor = stats.t.ppf(0.975, 4) / 5**0.5
    found = []
    for _ in range(1000):
        # all comparisons use the same folds, so they are correlated
        values = draws.normal(0, 1, (1, 5)) + draws.normal(0, 1, (6, 5))
        parts = []
        for mean, sd in zip(values.mean(1), values.std(1, ddof=1), strict=True):
            summary = {"mean": mean, "sd": sd, "n_folds": 5, "n": 5, "n_seeds": 1, "note": ""}
            summary |= {"ci_low": mean - factor * sd, "ci_high": mean + factor * sd}
            parts.append(Part("part", POINTS, ABOVE_ZERO, summary))
        found.append(judge(Measured("", parts)).verdict)
    refuted, supported = found.count(NOT_SUPPORTED), found.count(SUPPORTED)
    assert 0 < refuted <= 1000 * 0.05 + 3 * (1000 * 0.05 * 0.95) ** 0.5
    assert supported <= 1000 * 0.025 + 3 * (1000 * 0.025 * 0.975) ** 0.5
