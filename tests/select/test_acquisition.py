"""Strategies, budgets, queries and the oracle."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from after_ser.core.errors import InputError
from after_ser.select.base import (
    PoolView,
    ScoringStrategy,
    argpartition_slip,
    first_of_largest,
    top_k,
)
from after_ser.select.budget import labelled_count
from after_ser.select.oracle import answer
from after_ser.select.overlap import top_k_overlap
from after_ser.select.query import make_query, pool_view
from after_ser.select.registry import STRATEGIES, load, strategy
from tests.select.acquisition_pools import features

PER_CLIP = sorted(name for name, entry in STRATEGIES.items() if entry.per_clip)
UNCERTAINTY = ["entropy", "least_confidence", "margin"]


def pool_table(n=40, classes=4, seed=0):
    probs = np.random.default_rng(seed).dirichlet(np.ones(classes), n)
    columns = {f"p_{i}": probs[:, i] for i in range(classes)}
    return pd.DataFrame({"utt": [f"c/{i:03d}" for i in range(n)], **columns})


def brute_force(name, row):
    if name == "entropy":
        return -sum(p * np.log(p) for p in row)
    if name == "least_confidence":
        return 1 - max(row)
    first, second = sorted(row)[-1], sorted(row)[-2]
    return second - first


@pytest.mark.parametrize("name", UNCERTAINTY)
@pytest.mark.parametrize("k", [0, 1, 7, 40, 100])
def test_chosen_clips_are_the_true_top_k_of_the_score(name, k):
    pool = pool_table()
    scores = {r.utt: brute_force(name, list(r)[2:]) for r in pool.itertuples()}
    expected = sorted(scores, key=lambda clip: (-scores[clip], clip))[:k]
    query = make_query(pool, name, k, ("x",))
    assert list(query["utt"]) == expected
    assert list(query["rank"]) == list(range(1, len(expected) + 1))
    np.testing.assert_allclose(query["score"], [scores[c] for c in expected], atol=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(0, 70))
def test_top_k_leaves_out_nothing_larger_than_what_it_takes(values, k):
    scores = np.array(values)
    chosen = top_k(scores, k)
    assert len(chosen.indices) == min(k, len(values))
    rest = np.delete(scores, chosen.indices)
    if len(chosen.indices) and len(rest):
        assert scores[chosen.indices].min() >= rest.max()


def test_of_the_largest_values_the_first_counts_whatever_rounding_says():
    assert first_of_largest(np.array([-np.inf, 0.5, 3.0 - 1e-14, 3.0, 2.9999])) == 2
    assert first_of_largest(np.array([-np.inf, -2.0, -1.0, -1.0])) == 2
    assert first_of_largest(np.array([0.0, 0.0])) == 0


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_choice_does_not_depend_on_row_order_but_on_the_seed(name):
    pool = pool_table(60)
    shuffled = pool.sample(frac=1, random_state=3)
    fields = features(60)
    first = make_query(pool, name, 10, ("query", "d", 1), features=fields)
    assert first.equals(make_query(shuffled, name, 10, ("query", "d", 1), features=fields))
    if name in ("random", "badge"):
        other = make_query(pool, name, 10, ("query", "d", 2), features=fields)
        assert set(first["utt"]) != set(other["utt"])


@pytest.mark.parametrize("name", UNCERTAINTY)
def test_probabilities_that_are_not_finite_are_refused(name):
    pool = pool_table(5)
    pool.loc[2, "p_1"] = np.nan
    with pytest.raises(InputError, match=r"c/002 are not finite"):
        make_query(pool, name, 2, ("s",))


def test_a_label_column_in_the_pool_is_refused():
    with pytest.raises(ValueError, match="see: label"):
        pool_view(pool_table(3).assign(label="anger"), STRATEGIES["entropy"])


def test_names_and_numbers_of_classes_are_no_features():
    for labels in (np.array(["anger", "sad", "sad"]), np.array([0, 1, 1])):
        with pytest.raises(ValueError, match="labels is of "):
            PoolView(("a", "b", "c"), {"labels": labels})


def test_a_strategy_is_shown_its_own_features_and_no_others():
    made = features(40)
    for name, entry in STRATEGIES.items():
        shown = pool_view(pool_table(), entry, made).features
        assert set(shown) == {feature.name for feature in entry.features}, name


def test_the_registry_says_what_each_strategy_is():
    for name, entry in STRATEGIES.items():
        made = strategy(name)
        assert {option: getattr(made, option) for option in entry.options} == entry.options
        assert isinstance(made, ScoringStrategy) == entry.per_clip
        for feature in entry.features:
            assert not feature.function or callable(load(feature.function))


@pytest.mark.parametrize(
    ("fraction", "n", "expected"),
    [(0.01, 100, 1), (0.01, 149, 1), (0.01, 150, 2), (0.05, 10, 1), (0.15, 10, 2), (0.2, 4508, 902),
     (1.0, 37, 37), (0.001, 10, 1), (0.25, 2, 1), (0.5, 5, 3)],
)  # fmt: skip
def test_budget_is_floor_of_share_plus_a_half(fraction, n, expected):
    assert labelled_count(fraction, n) == expected


def test_oracle_appends_answers_and_keeps_what_was_known():
    query = pd.DataFrame({"utt": ["a", "b"], "rank": [1, 2], "score": [0.5, 0.4]})
    truth = {"a": "sad", "b": "happy", "c": "anger"}
    first = answer(query, None, truth, 0)
    second = answer(pd.DataFrame({"utt": ["c"], "rank": [1], "score": [0.1]}), first, truth, 1)
    assert list(second["utt"]) == ["a", "b", "c"]
    assert list(second["label"]) == ["sad", "happy", "anger"]
    assert list(second["acquired_in_round"]) == [0, 0, 1]
    with pytest.raises(ValueError, match="asked for twice"):
        answer(query, first, truth, 1)
    with pytest.raises(ValueError, match="no label"):
        answer(pd.DataFrame({"utt": ["z"], "rank": [1], "score": [0.0]}), first, truth, 1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(-1, 70))
def test_the_slip_is_numpy_s_argpartition_of_the_scores(values, k):
    scores = np.array(values)
    found = argpartition_slip(scores, k)
    if 0 < k < len(scores):
        assert list(found.indices) == list(np.argpartition(scores, k)[-k:])
    assert len(set(found.indices)) == min(max(k, 0), len(scores))
    np.testing.assert_array_equal(found.scores, scores[found.indices])


@pytest.mark.parametrize("name", UNCERTAINTY)
def test_argpartition_is_not_the_top_k(name):
    pool = pool_table(4000)
    k = 200
    slip = make_query(pool, name, k, ("x",), selection="argpartition")
    assert len(set(slip["utt"])) == k and list(slip["rank"]) == list(range(1, k + 1))
    true = make_query(pool, name, k, ("x",))
    assert top_k_overlap(pool, true, name) == 1.0
    overlap = len(set(slip["utt"]) & set(true["utt"])) / k
    assert top_k_overlap(pool, slip, name) == pytest.approx(overlap)
    assert overlap < 0.9, "the released line is not the top k"
    everything = make_query(pool, name, len(pool), ("x",)).sort_values("utt")
    expected = np.argpartition(everything["score"].to_numpy(), k)[-k:]
    assert list(slip["utt"]) == list(everything["utt"].to_numpy()[expected])
    shuffled = pool.sample(frac=1, random_state=3)
    again = make_query(shuffled, name, k, ("x",), selection="argpartition")
    pd.testing.assert_frame_equal(again, slip)


def test_random_is_the_same_under_the_slip_and_a_set_is_refused():
    pool, fields = pool_table(60), features(60)
    slip = make_query(pool, "random", 10, ("x",), selection="argpartition")
    pd.testing.assert_frame_equal(slip, make_query(pool, "random", 10, ("x",)))
    with pytest.raises(InputError, match="strategy badge: .* a score per clip"):
        make_query(pool, "badge", 10, ("x",), features=fields, selection="argpartition")


@pytest.mark.parametrize("name", PER_CLIP)
def test_a_strategy_with_a_score_per_clip_takes_the_first_of_one_ranking(name):
    pool, fields = pool_table(50), features(50)
    ranking = make_query(pool, name, 50, ("x",), features=fields)
    for k in (1, 7, 49):
        found = make_query(pool, name, k, ("x",), features=fields)
        pd.testing.assert_frame_equal(found, ranking.head(k))


def test_clips_as_good_as_the_last_one_count_as_top_k():
    pool = pd.DataFrame({"utt": ["a", "b", "c", "d"], "p_x": [0.5, 0.5, 0.5, 1.0]})
    pool["p_y"] = 1 - pool["p_x"]
    query = pd.DataFrame({"utt": ["c"]})
    assert top_k_overlap(pool, query, "entropy") == 1.0
    assert top_k_overlap(pool, pd.DataFrame({"utt": ["c", "d"]}), "entropy") == 0.5
    assert np.isnan(top_k_overlap(pool, pd.DataFrame({"utt": []}), "entropy"))
