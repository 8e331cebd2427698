"""Learning curves as numbers, and the penalty matrix: worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from after_ser.judge.learning_curve import (
    area,
    data_utilisation,
    deficiency,
    full_data_score,
    labels_needed,
    mean_curve,
)
from after_ser.judge.tables.penalty import penalty_matrix

BUDGETS = [0.1, 0.2, 0.4, 1.0]


def curve(scores: list[float], folds: int = 1, seeds: int = 1, step: float = 0.0) -> pd.DataFrame:
    """Return the same curve for every fold and seed, `step` higher from fold to fold."""
    rows = [
        (str(fold), str(seed), budget, 100 * budget + fold, value + step * fold)
        for fold in range(folds)
        for seed in range(seeds)
        for budget, value in zip(BUDGETS, scores, strict=False)
    ]
    return pd.DataFrame(rows, columns=["fold", "seed", "budget", "labelled", "value"])


def test_area_is_the_mean_height_over_the_span():
    flat = area(curve([70, 70, 70, 70], folds=2, seeds=3))
    assert flat["value"].to_list() == pytest.approx([70] * 6)
    # (45 * 0.1 + 55 * 0.2 + 65 * 0.6) / 0.9
    by_hand = (45 * 0.1 + 55 * 0.2 + 65 * 0.6) / 0.9
    assert area(curve([40, 50, 60, 70]))["value"][0] == pytest.approx(by_hand)
    shuffled = curve([40, 50, 60, 70]).sample(frac=1, random_state=1)
    assert area(shuffled)["value"][0] == pytest.approx(by_hand)


def test_area_refuses_holes_and_single_points():
    whole = curve([40, 50, 60, 70], folds=2)
    with pytest.raises(ValueError, match="not every budget exactly once"):
        area(whole.iloc[:-1])
    with pytest.raises(ValueError, match="not every budget exactly once"):
        area(pd.concat([whole, whole.iloc[:1]]))
    with pytest.raises(ValueError, match="two budgets"):
        area(curve([40]))


def test_mean_curve_averages_seeds_before_folds():
    rows = [("1", "0", 0.1, 10, 60.0), ("1", "1", 0.1, 10, 70.0), ("2", "0", 0.1, 20, 80.0)]
    table = pd.DataFrame(rows, columns=["fold", "seed", "budget", "labelled", "value"])
    assert mean_curve(table).to_dict("records") == [{"budget": 0.1, "labelled": 15, "value": 72.5}]


def test_deficiency_by_hand():
    random = curve([40, 50, 60, 70])  # below its last score: 30 + 20 + 10 + 0
    assert deficiency(random, random)["value"] == pytest.approx(1.0)
    better = curve([50, 60, 68, 70])  # 20 + 10 + 2 + 0
    assert deficiency(better, random)["value"] == pytest.approx(32 / 60)
    assert deficiency(curve([30, 40, 50, 70]), random)["value"] == pytest.approx(90 / 60)
    assert deficiency(curve([80, 80, 80, 80]), random)["value"] == pytest.approx(-40 / 60)
    falling = deficiency(better, curve([70, 60, 50, 40]))
    assert falling["value"] is None and falling["note"]
    flat = deficiency(better, curve([60.0, 60.0, 60.0, 60.0]))
    assert flat["value"] is None
    with pytest.raises(ValueError, match="unequal budgets"):
        deficiency(curve([40, 50, 60]), random)


def test_labels_needed_are_those_of_the_first_budget_that_reaches_the_target():
    random = curve([40, 50, 60, 70], folds=2)
    target = full_data_score(random)
    assert target == 70
    fast = curve([60, 71, 69, 75], folds=2)
    assert labels_needed(fast, target) == {"budget": 0.2, "labelled": pytest.approx(20.5)}
    assert labels_needed(random, target) == {"budget": 1.0, "labelled": pytest.approx(100.5)}
    ratio = data_utilisation(labels_needed(fast, target), labels_needed(random, target))
    assert ratio == pytest.approx(20.5 / 100.5)
    slow = curve([40, 50, 60, 69.9], folds=2)
    assert labels_needed(slow, target) is None
    assert data_utilisation(None, labels_needed(random, target)) is None


def test_no_full_data_score_without_all_labels():
    assert full_data_score(curve([40, 50, 60])) is None


def noisy(level: float, folds: int, seed: int) -> pd.DataFrame:
    noise = np.random.default_rng(seed)
    table = curve([level] * 4, folds=folds, seeds=2)
    return table.assign(value=table["value"] + noise.normal(0, 0.3, len(table)))


def test_penalty_matrix_counts_budgets_with_a_significant_win():
    curves = {"good": noisy(70, 5, 0), "bad": noisy(60, 5, 1), "same": noisy(60, 5, 1)}
    lifted = curves["bad"].copy()
    lifted.loc[lifted["budget"] == 1.0, "value"] += 10  # level with good at one of four
    result = penalty_matrix(curves | {"late": lifted}, BUDGETS)
    matrix = pd.DataFrame(result["matrix"], result["arms"], result["arms"])
    assert matrix.loc["good", "bad"] == 1.0 and matrix.loc["bad", "good"] == 0.0
    assert matrix.loc["good", "late"] == 0.75
    assert matrix.loc["late", "bad"] == 0.0, "ten points more in every fold: no spread, no test"
    assert matrix.loc["bad", "same"] == 0.0 and matrix.loc["same", "bad"] == 0.0
    assert np.diag(matrix).tolist() == [0, 0, 0, 0]
    assert [note for note in result["notes"] if "late" in note and "at 1:" in note]
    assert not [note for note in result["notes"] if "same and late at 0.1" in note]


def test_penalty_matrix_is_empty_with_two_folds():
    result = penalty_matrix({"a": noisy(70, 2, 0), "b": noisy(60, 2, 1)}, BUDGETS)
    assert np.isnan(result["matrix"][0, 1]) and np.isnan(result["matrix"][1, 0])
    (note,) = result["notes"]
    assert note.startswith("not computed: ")
