"""Greedy k-centre against brute force and scikit-activeml."""

from itertools import combinations

import numpy as np
import pytest
from skactiveml.pool import CoreSet
from sklearn.metrics import pairwise_distances

from tests.select.acquisition_pools import features, rows, select


def radius(points, centres):
    return pairwise_distances(points, centres).min(axis=1).max()


@pytest.mark.parametrize("seed", range(3))
def test_picks_and_distances_are_those_of_scikit_activeml(seed):
    fields = features(120, labelled=7, seed=seed)
    points = np.concatenate([fields["embeddings"], fields["labelled_embeddings"]])
    y = np.concatenate([np.full(120, np.nan), np.zeros(7)])
    picks, utilities = CoreSet(random_state=0).query(
        points, y, batch_size=15, return_utilities=True
    )
    selection = select("coreset", fields, 15)
    assert list(selection.indices) == list(picks)
    np.testing.assert_allclose(selection.scores, np.nanmax(utilities, axis=1), atol=1e-9)


def test_each_pick_is_the_farthest_from_all_before_it():
    fields = features(40, labelled=5)
    known = list(fields["labelled_embeddings"])
    for pick, score in zip(*_picks(fields, 12), strict=True):
        distance = [min(np.linalg.norm(x - c) for c in known) for x in fields["embeddings"]]
        assert pick == int(np.argmax(distance)) and score == pytest.approx(max(distance))
        known.append(fields["embeddings"][pick])


def _picks(fields, k):
    selection = select("coreset", fields, k)
    return selection.indices, selection.scores


def test_the_radius_is_at_most_twice_the_best_possible():
    for seed in range(10):
        fields = features(12, labelled=1, seed=seed, dimensions=2)
        points, known = fields["embeddings"], fields["labelled_embeddings"]
        best = min(
            radius(points, np.concatenate([known, points[list(chosen)]]))
            for chosen in combinations(range(12), 3)
        )
        chosen = select("coreset", fields, 3).indices
        assert radius(points, np.concatenate([known, points[chosen]])) <= 2 * best


def test_copies_of_labelled_clips_and_of_picks_come_last():
    fields = rows(features(12, dimensions=300), np.repeat(np.arange(12), 3))
    fields["labelled_embeddings"] = fields["embeddings"][:6].copy()  # the first two, thrice
    selection = select("coreset", fields, 36)
    assert sorted({pick // 3 for pick in selection.indices[:10]}) == list(range(2, 12))
    assert (selection.scores[:10] > 0).all() and (selection.scores[10:] == 0).all()
    assert list(selection.indices[10:]) == sorted(selection.indices[10:]), "ties by name"


def test_without_labelled_clips_the_first_is_drawn():
    fields = features(40, labelled=0)
    firsts = {int(select("coreset", fields, 3, seed=seed).indices[0]) for seed in range(20)}
    assert len(firsts) > 5
    selection = select("coreset", fields, 3)
    away = np.linalg.norm(fields["embeddings"] - fields["embeddings"][selection.indices[0]], axis=1)
    assert selection.scores[0] == 0 and selection.indices[1] == away.argmax()
