"""ALPs and K-means of the pool against scikit-learn used directly."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from after_ser.select.alps import nearest_clips
from tests.select.acquisition_pools import features, rows, select


def bundles(sizes, seed=0, length=1.0):
    """Return surprisal of bundles of clips, each bundle around a time of its own."""
    draw = np.random.default_rng(seed)
    parts = [
        5 * np.eye(len(sizes))[index] + draw.uniform(0, 0.5, (size, len(sizes)))
        for index, size in enumerate(sizes)
    ]
    return np.concatenate(parts) * length


def test_alps_takes_one_clip_of_each_bundle_the_most_central_the_largest_bundle_first():
    sizes = [9, 30, 20, 5]
    surprisal = bundles(sizes)
    selection = select("alps", {"surprisal": surprisal}, 4)
    ends = np.cumsum(sizes)
    assert list(np.searchsorted(ends, selection.indices, side="right")) == [1, 2, 0, 3]
    unit = surprisal / np.linalg.norm(surprisal, axis=1, keepdims=True)
    for pick, score in zip(selection.indices, selection.scores, strict=True):
        group = int(np.searchsorted(ends, pick, side="right"))
        own = np.arange(ends[group] - sizes[group], ends[group])
        distance = np.linalg.norm(unit[own] - unit[own].mean(axis=0), axis=1)
        assert pick == own[distance.argmin()]
        assert score == pytest.approx(-distance.min(), abs=1e-6)


def test_alps_does_not_look_at_how_large_the_surprise_is():
    loud = bundles([9, 30, 20, 5]) * np.random.default_rng(1).uniform(0.1, 9, (64, 1))
    picks = select("alps", {"surprisal": loud}, 4).indices
    assert list(picks) == list(select("alps", {"surprisal": bundles([9, 30, 20, 5])}, 4).indices)


def test_alps_are_the_nearest_clips_to_the_centres_of_k_means():
    fields = features(90)
    rng = np.random.default_rng(0)
    unit = fields["surprisal"] / np.linalg.norm(fields["surprisal"], axis=1, keepdims=True)
    fit = KMeans(15, n_init=1, random_state=int(rng.integers(2**32))).fit(unit.round(9))
    by_size = sorted(range(15), key=lambda c: (-np.sum(fit.labels_ == c), c))
    expected = []
    for centre in by_size:
        distance = np.linalg.norm(unit - fit.cluster_centers_[centre], axis=1)
        expected.append(next(int(i) for i in np.argsort(distance) if i not in expected))
    assert list(select("alps", fields, 15).indices) == expected


def test_a_clip_that_is_nearest_to_two_centres_is_picked_once():
    squared = np.array([[4.0, 1.0, 9.0, 2.0], [5.0, 1.0, 0.5, 3.0], [4.0, 1.0, 0.5, 2.5]])
    assert list(nearest_clips(squared)) == [1, 2, 3]
    assert list(nearest_clips(np.zeros((3, 4)))) == [0, 1, 2]


def test_fewer_different_clips_than_picks_are_all_taken_and_copies_drawn():
    fields = rows(features(6), np.repeat(np.arange(6), 5))
    selection = select("alps", fields, 10)
    assert {pick // 5 for pick in selection.indices[:6]} == set(range(6))
    np.testing.assert_allclose(selection.scores, 0, atol=1e-6)
    drawn = {tuple(select("alps", fields, 10, seed=seed).indices[6:]) for seed in range(5)}
    assert len(drawn) > 1


def blobs(sizes):
    draw = np.random.default_rng(0)
    centres = np.array([[0, 0], [10, 0], [0, 10]])
    return np.concatenate(
        [draw.normal(c, 0.3, (n, 2)) for c, n in zip(centres, sizes, strict=True)]
    )


def test_kmeans_shares_picks_by_cluster_size_and_takes_the_most_central():
    means = blobs([40, 20, 20])
    selection = select("kmeans", {"cnn_means": means}, 8)
    for start, end, share in ((0, 40, 4), (40, 60, 2), (60, 80, 2)):
        own = np.arange(start, end)
        distance = np.linalg.norm(means[own] - means[own].mean(axis=0), axis=1)
        nearest = own[np.argsort(distance)[:share]]
        assert {pick for pick in selection.indices if start <= pick < end} == set(nearest)
    clusters = np.asarray(selection.details["cluster"])
    blob = np.searchsorted([40, 60, 80], selection.indices, side="right")
    assert len({(int(a), int(b)) for a, b in zip(clusters, blob, strict=True)}) == 3


def test_kmeans_tries_the_numbers_of_clusters_it_is_told():
    means = {"cnn_means": blobs([30, 30, 30])}
    assert len(set(select("kmeans", means, 30).details["cluster"])) == 3
    assert len(set(select("kmeans", means, 30, k_min=2, k_max=2).details["cluster"])) == 2
