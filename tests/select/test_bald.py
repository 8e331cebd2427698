"""BALD and PowerBALD."""

from math import log

import numpy as np
import pytest
from skactiveml.pool import batch_bald

from after_ser.select.bald import mutual_information
from after_ser.select.powerbald import power_draw
from tests.select.acquisition_pools import features, select


def test_mutual_information_is_that_of_scikit_activeml_and_of_the_definition():
    mc_probs = features(200, passes=9)["mc_probs"]
    found = mutual_information(mc_probs)
    np.testing.assert_allclose(
        found, batch_bald(mc_probs.transpose(1, 0, 2).copy(), 1, random_state=0)[0], atol=1e-6
    )
    for clip, value in zip(mc_probs[:20], found, strict=False):
        mean = clip.mean(axis=0)
        terms = [p * log(p / mean[c]) for passed in clip for c, p in enumerate(passed)]
        assert value == pytest.approx(sum(terms) / len(clip), abs=1e-12)


def test_passes_that_contradict_each_other_reach_log_k_and_equal_ones_zero():
    contradiction = np.eye(4)[None]
    agreement = np.full((1, 4, 4), 0.25)
    noise = np.repeat(features(1)["probs"][:, None, :], 7, axis=1)
    assert mutual_information(contradiction)[0] == pytest.approx(log(4))
    assert mutual_information(agreement)[0] == 0
    assert mutual_information(noise)[0] == 0


def test_the_top_k_is_taken():
    fields = features(60)
    scores = mutual_information(fields["mc_probs"])
    selection = select("bald", fields, 9)
    assert list(selection.indices) == list(np.argsort(-scores)[:9])
    np.testing.assert_array_equal(selection.scores, np.sort(scores)[::-1][:9])


def test_power_draw_is_drawing_one_after_the_other_in_proportion_to_the_scores():
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    rng = np.random.default_rng(0)
    draws = np.array([power_draw(scores, 2, rng) for _ in range(20000)])
    first = np.bincount(draws[:, 0], minlength=4) / len(draws)
    np.testing.assert_allclose(first, scores, atol=0.012)
    after_the_last = draws[draws[:, 0] == 3, 1]
    second = np.bincount(after_the_last, minlength=4) / len(after_the_last)
    np.testing.assert_allclose(second, [1 / 6, 2 / 6, 3 / 6, 0], atol=0.02)


def test_coldness_sharpens_the_draw():
    scores = np.array([1.0, 2.0])
    rng = np.random.default_rng(0)
    firsts = [power_draw(scores, 1, rng, coldness=3.0)[0] for _ in range(5000)]
    assert np.mean(firsts) == pytest.approx(8 / 9, abs=0.02)


def test_scores_of_zero_come_last_and_in_random_order():
    scores = np.array([0.0, 1e-300, 0.0, 5.0, 0.0])
    orders = [power_draw(scores, 9, np.random.default_rng(seed)) for seed in range(30)]
    assert all(len(order) == 5 and set(order[:2]) == {1, 3} for order in orders)
    assert len({tuple(order[2:]) for order in orders}) > 3
    assert len(power_draw(scores, 0, np.random.default_rng(0))) == 0
