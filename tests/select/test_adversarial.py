"""What every strategy must survive: empty, repeated, one-class and broken pools."""

import numpy as np
import pandas as pd
import pytest

from after_ser.core.errors import InputError
from after_ser.select.query import make_query
from after_ser.select.registry import STRATEGIES, strategy
from tests.select.acquisition_pools import features, names, rows, select, shown, softmax, view

ALL = sorted(STRATEGIES)
#: Strategies that draw nothing at random, so that only the content of the pool decides.
DRAWN_FROM_NOTHING = ["entropy", "least_confidence", "margin", "bald", "coreset", "cal"]


def check(selection, k, n):
    """Return the picks, after what must be true of any selection."""
    picks = list(selection.indices)
    assert len(picks) == len(set(picks)) == min(k, n)
    assert selection.indices.dtype == np.int64
    assert all(0 <= pick < n for pick in picks)
    assert len(selection.scores) == len(picks) and np.isfinite(selection.scores).all()
    assert all(len(column) == len(picks) for column in selection.details.values())
    return picks


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("k", [0, 1, 7, 39, 40, 100])
def test_a_query_has_k_different_clips_or_the_whole_pool(name, k):
    fields = features(40)
    first = select(name, fields, k)
    check(first, k, 40)
    again = select(name, fields, k)
    assert list(first.indices) == list(again.indices)
    np.testing.assert_array_equal(first.scores, again.scores)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_tiny_pools(name, n):
    check(select(name, features(n), 3), 3, n)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("k", [5, 12, 20, 30])
def test_copies_and_one_and_the_same_clip(name, k):
    three_copies_of_ten = rows(features(10), np.repeat(np.arange(10), 3))
    check(select(name, three_copies_of_ten, k), k, 30)
    all_the_same = rows(features(10), np.zeros(30, dtype=int))
    check(select(name, all_the_same, k), k, 30)


@pytest.mark.parametrize("name", ALL)
def test_fields_of_zeros_and_copies_of_labelled_clips(name):
    fields = features(20, labelled=20)
    silent = {
        field: np.zeros_like(values) if "probs" not in field else values
        for field, values in fields.items()
    }
    check(select(name, silent, 8), 8, 20)
    known = fields | {"labelled_embeddings": fields["embeddings"]}
    check(select(name, known | {"labelled_probs": fields["probs"]}, 8), 8, 20)


@pytest.mark.parametrize("name", ALL)
def test_a_single_class_and_certain_predictions(name):
    check(select(name, features(20, classes=1), 8), 8, 20)
    certain = features(20)
    for field in ("probs", "mc_probs", "labelled_probs"):
        certain[field] = np.eye(4)[certain[field].argmax(axis=-1)]  # 0 and 1, whose log is -inf
    check(select(name, certain, 8), 8, 20)
    of_one_class = features(20)
    for field in ("probs", "mc_probs", "labelled_probs"):
        of_one_class[field] = np.broadcast_to(np.eye(4)[2], certain[field].shape).copy()
    check(select(name, of_one_class, 8), 8, 20)


@pytest.mark.parametrize("name", ["entropy", "least_confidence", "margin", "bald", "cal"])
def test_ties_go_to_the_first_name(name):
    fields = rows(features(6), np.repeat(np.arange(6), 4))
    picks = check(select(name, fields, 10), 10, 24)
    for group in {pick // 4 for pick in picks}:
        own = [pick for pick in picks if pick // 4 == group]
        assert own == list(range(4 * group, 4 * group + len(own)))


def test_of_equal_clips_the_first_is_picked_although_sums_are_rounded():
    fields = rows(features(7, dimensions=300, passes=7), np.repeat(np.arange(7), 5))
    for name in ("coreset", "badge", "batchbald"):
        first = check(select(name, fields, 6), 6, 35)[0]
        assert first % 5 == 0, name


@pytest.mark.parametrize("name", DRAWN_FROM_NOTHING)
def test_names_decide_nothing_where_there_are_no_ties(name):
    fields = features(50)
    order = np.random.default_rng(4).permutation(50)
    picks = select(name, fields, 12).indices
    renamed = select(name, rows(fields, order), 12).indices
    assert list(order[renamed]) == list(picks)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_name_the_clip(name, bad):
    pool = pd.DataFrame({"utt": names(6), "p_a": 0.4, "p_b": 0.6})
    for field in set(shown(name)) - {"probs"}:
        fields = features(6)
        fields[field][3] = bad
        where = "labelled clip 3" if field.startswith("labelled_") else "c/00003"
        with pytest.raises(InputError, match=f"{field} of {where} "):
            make_query(pool, name, 2, ("s",), features=fields)
    if "probs" in shown(name):
        pool.loc[2, "p_b"] = bad
        with pytest.raises(InputError, match="probs of c/00002"):
            make_query(pool, name, 2, ("s",), features=features(6))


@pytest.mark.parametrize("name", [name for name in ALL if shown(name)])
def test_a_field_that_is_missing_is_named(name):
    missing = min(shown(name))
    fields = features(5)
    rest = {field: values for field, values in fields.items() if field != missing}
    with pytest.raises(ValueError, match=f"needs {missing}"):
        strategy(name).select(view(rest), 2, np.random.default_rng(0))


def test_details_become_columns_of_the_query():
    pool = pd.DataFrame({"utt": names(9), "p_a": 0.4, "p_b": 0.6})
    query = make_query(pool, "batchbald", 4, ("s",), features=features(9))
    assert list(query.columns) == ["utt", "rank", "score", "information_gain", "picked_by"]
    query = make_query(pool, "kmeans", 4, ("s",), features=features(9))
    assert list(query.columns) == ["utt", "rank", "score", "cluster"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("batchbald", {"samples": 0}),
        ("batchbald", {"min_left": -0.1}),
        ("batchbald", {"min_left": 1}),
        ("cal", {"neighbours": 0}),
        ("kmeans", {"k_min": 5, "k_max": 4}),
    ],
)
def test_impossible_options_are_refused_by_name(name, options):
    with pytest.raises(InputError, match=f"^strategy {name}: .*{min(options)} .*expected"):
        strategy(name, options)


def test_single_precision_is_enough_for_every_field():
    fields = {name: values.astype(np.float32) for name, values in features(30).items()}
    fields["mc_probs"] = softmax(np.log(fields["mc_probs"]))
    for name in ALL:
        check(select(name, fields, 9), 9, 30)
