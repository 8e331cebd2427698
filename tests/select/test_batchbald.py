"""BatchBALD against brute force and scikit-activeml, and at sizes where both give up."""

from math import log

import numpy as np
import pytest
from scipy.special import rel_entr
from skactiveml.pool import batch_bald

from after_ser.select.joint import Labellings
from tests.select.acquisition_pools import features, select, softmax


def joint_information(mc_probs):
    """Return I(labels of all n clips; pass) from all C^n labellings; mc_probs is [n, K, C]."""
    given = np.ones((mc_probs.shape[1], 1))
    for clip in mc_probs:
        given = np.einsum("kj,kc->kjc", given, clip).reshape(len(given), -1)
    return rel_entr(given, given.mean(axis=0)).sum(axis=1).mean()


def greedy(mc_probs, k):
    """Return the picks and the information of each batch, every clip being tried every time."""
    batch, information = [], []
    for _ in range(k):
        rest = [i for i in range(len(mc_probs)) if i not in batch]
        values = {i: joint_information(mc_probs[[*batch, i]]) for i in rest}
        batch.append(max(values, key=values.get))
        information.append(values[batch[-1]])
    return batch, information


def labellings(mc_probs, most):
    state = Labellings(mc_probs.shape[1], most, np.random.default_rng(0))
    for clip in mc_probs:
        state.extend(clip)
    return state


@pytest.mark.parametrize("seed", range(3))
def test_four_picks_are_those_of_brute_force(seed):
    fields = features(30, classes=3, passes=5, seed=seed)
    picks, information = greedy(fields["mc_probs"], 4)
    selection = select("batchbald", fields, 4, min_left=0)
    assert list(selection.indices) == picks
    gains = selection.details["information_gain"]
    np.testing.assert_allclose(np.cumsum(gains), information, atol=1e-9)
    np.testing.assert_allclose(selection.scores, gains)
    assert set(selection.details["picked_by"]) == {"batchbald"}


@pytest.mark.parametrize(("seed", "at_once"), [(0, 1), (1, 5), (2, 64)])
def test_five_picks_of_a_larger_pool_are_those_of_scikit_activeml(seed, at_once, monkeypatch):
    """The lazy search leaves out no clip that the full one would take."""
    monkeypatch.setattr("after_ser.select.batchbald._CANDIDATES", at_once)
    fields = features(300, classes=4, passes=8, seed=seed)
    by_pass = fields["mc_probs"].transpose(1, 0, 2).copy()
    utilities = batch_bald(by_pass, 5, n_MC_samples=4**5, random_state=0)
    selection = select("batchbald", fields, 5, min_left=0)
    assert list(selection.indices) == [int(np.nanargmax(row)) for row in utilities]
    information = np.cumsum(selection.details["information_gain"])
    np.testing.assert_allclose(information, np.nanmax(utilities, axis=1), atol=1e-5)


def test_the_batch_is_not_the_top_of_the_single_scores():
    """Of two copies of the clip of most disagreement BALD takes both, BatchBALD one."""
    disagreed = [[0.99, 0.01], [0.99, 0.01], [0.01, 0.99], [0.01, 0.99]]
    otherwise = [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.1, 0.9]]
    fields = {"mc_probs": np.array([disagreed, disagreed, otherwise])}
    assert list(select("bald", fields, 2).indices) == [0, 1]
    assert list(select("batchbald", fields, 2).indices) == [0, 2]


def test_gains_over_all_labellings_also_where_some_are_impossible():
    mc_probs = features(12, classes=3, passes=5, seed=1)["mc_probs"]
    mc_probs[1, 2, 0] = 0  # for one pass
    mc_probs[3, :, 0] = 0  # for every pass
    mc_probs /= mc_probs.sum(axis=2, keepdims=True)
    batch, rest = mc_probs[:6], mc_probs[6:]
    state, known = labellings(batch, 3**6), joint_information(batch)
    assert state.exact
    expected = [joint_information(np.concatenate([batch, clip[None]])) - known for clip in rest]
    np.testing.assert_allclose(state.gains(rest), expected, atol=1e-9)
    assert state.entropy == pytest.approx(log(5) - known, abs=1e-9)


def test_drawn_labellings_approach_all_of_them():
    mc_probs = features(20, classes=3, passes=5, seed=1)["mc_probs"]
    mc_probs = softmax(0.5 * np.log(mc_probs))  # ten clips shall leave something to learn
    mc_probs[3, :, 0] = 0
    mc_probs /= mc_probs.sum(axis=2, keepdims=True)
    batch, rest = mc_probs[:10], mc_probs[10:]
    everything, drawn = labellings(batch, 3**10), labellings(batch, 2 * 3**9 - 1)
    assert everything.exact and not drawn.exact
    exact = everything.gains(rest)
    assert exact.max() > 0.03
    np.testing.assert_allclose(drawn.gains(rest), exact, atol=0.003)
    assert drawn.entropy == pytest.approx(everything.entropy, abs=0.01)


@pytest.mark.parametrize(("min_left", "spread"), [(0.05, 0.1), (0.0, 0.8), (0.05, 0.8)])
def test_hundreds_of_picks_are_finite_repeatable_and_within_log_k(min_left, spread):
    """The likelihood of 800 labels is far below the smallest float64."""
    fields = features(1000, passes=10, seed=2, spread=spread)
    first, again = (
        select("batchbald", fields, 800, samples=500, min_left=min_left) for _ in range(2)
    )
    assert len(set(first.indices)) == 800
    assert list(first.indices) == list(again.indices)
    assert np.isfinite(first.scores).all()
    gains = np.array(first.details["information_gain"])
    np.testing.assert_array_equal(gains, again.details["information_gain"])
    assert (gains >= 0).all() and gains.sum() <= log(10)
    if spread < 0.5:
        assert gains[-1] > 0, "passes so close leave something to learn to the end"
        assert set(first.details["picked_by"]) == {"batchbald"}
    else:
        assert gains[:50].sum() > 0.9 * log(10), "few clips tell such passes apart"


def test_an_estimate_above_log_k_is_cut():
    """Two labellings per pass are a poor sample, and estimates err to both sides."""
    sums = [
        sum(
            select("batchbald", features(60, seed=seed), 60, samples=12).details["information_gain"]
        )
        for seed in range(12)
    ]
    assert max(sums) == pytest.approx(log(6), abs=1e-12)


def test_what_the_top_up_adds_is_its_joint_information_with_the_batch():
    fields = features(12, classes=2, passes=5, seed=4)
    selection = select("batchbald", fields, 9, samples=2**9, min_left=0.6)
    assert len(set(selection.details["picked_by"])) == 2
    batches = [fields["mc_probs"][selection.indices[:size]] for size in range(1, 10)]
    np.testing.assert_allclose(
        np.cumsum(selection.details["information_gain"]),
        [joint_information(batch) for batch in batches],
        atol=1e-8,
    )


def test_what_no_longer_pays_is_left_to_powerbald():
    fields = features(200, passes=10, seed=3)
    selection = select("batchbald", fields, 60, samples=2000)
    by = list(selection.details["picked_by"])
    many = by.count("batchbald")
    assert by == ["batchbald"] * many + ["powerbald"] * (60 - many) and 5 < many < 60
    known = np.cumsum(selection.details["information_gain"])
    assert known[many - 2] < 0.95 * log(10) and known[many - 1] > 0.93 * log(10)
    bald = select("bald", fields, 200)
    scores = dict(zip(bald.indices, bald.scores, strict=True))
    np.testing.assert_allclose(
        selection.scores[many:], [scores[pick] for pick in selection.indices[many:]]
    )
    other_seed = select("batchbald", fields, 60, seed=1, samples=2000)
    assert list(other_seed.indices[:5]) == list(selection.indices[:5])
    assert set(other_seed.indices) != set(selection.indices)


@pytest.mark.parametrize("passes", [1, 7])
def test_passes_that_agree_leave_everything_to_chance(passes):
    fields = features(30)
    fields["mc_probs"] = np.repeat(fields["probs"][:, None, :], passes, axis=1)
    selection = select("batchbald", fields, 9)
    assert set(selection.details["picked_by"]) == {"powerbald"}
    assert sum(selection.details["information_gain"]) == 0
    assert set(selection.indices) != set(select("batchbald", fields, 9, seed=5).indices)
