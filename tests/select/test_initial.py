"""K-means and random initialisation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from after_ser.core.seeding import rng
from after_ser.select.initial import (
    cluster,
    nearest_to_centres,
    quotas,
    random_initial,
    released_picks,
)


def blobs(sizes=(40, 20, 20), seed=0):
    draw = np.random.default_rng(seed)
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])[: len(sizes)]
    return np.concatenate(
        [draw.normal(c, 0.3, (n, 2)) for c, n in zip(centres, sizes, strict=True)]
    )


def test_the_elbow_finds_the_number_of_blobs():
    found = cluster(blobs(), 2, 10, seed=1)
    assert found.k == 3 and found.knee_found
    assert sorted(np.bincount(found.assignment)) == [20, 20, 40]


def test_picks_are_the_nearest_to_their_centres_with_proportional_quotas():
    points = blobs()
    found = cluster(points, 2, 10, seed=1)
    picks = nearest_to_centres(found, 8)
    assert len(set(picks)) == 8
    per_cluster = np.bincount(found.assignment[picks], minlength=3)
    assert sorted(per_cluster) == [2, 2, 4]
    for index in range(3):
        own = np.flatnonzero(found.assignment == index)
        chosen = [i for i in picks if i in own]
        rest = [i for i in own if i not in chosen]
        assert found.distance[chosen].max() <= found.distance[rest].min()


def test_same_seed_same_clusters_and_no_elbow_is_reported():
    line = np.linspace(0, 1, 30)[:, None]
    first, second = cluster(line, 2, 4, seed=5), cluster(line, 2, 4, seed=5)
    assert np.array_equal(first.assignment, second.assignment)
    assert cluster(np.zeros((5, 2)), 2, 10, seed=0).k == 1


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(0, 120))
def test_quotas_add_up_and_fit(sizes, count):
    shares = quotas(sizes, count)
    assert sum(shares) == min(count, sum(sizes))
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    assert all(
        abs(share - min(count, sum(sizes)) * size / sum(sizes)) <= 1 + 1e-9
        for share, size in zip(shares, sizes, strict=True)
    )


def test_random_subsets_are_nested():
    small = random_initial(50, 5, rng("oneshot", "d", 1, 0))
    large = random_initial(50, 20, rng("oneshot", "d", 1, 0))
    assert list(large[:5]) == list(small)
    assert list(small) != list(random_initial(50, 5, rng("oneshot", "d", 1, 1)))


def test_more_picks_than_clips_takes_all():
    found = cluster(blobs((3, 3)), 2, 4, seed=0)
    assert sorted(nearest_to_centres(found, 99)) == list(range(6))
    with pytest.raises(ValueError, match="n_clusters"):
        cluster(np.empty((0, 2)), 2, 3, seed=0)


def test_released_picks_are_equal_shares_of_three_clusters_by_cosine_in_turn():
    points = blobs((60, 20, 10)) + [3, 5]
    picks, clusters, cosine = released_picks(points, 11, seed=1)
    assert len(set(picks)) == 11 and list(clusters) == [0, 1, 2] * 3 + [0, 1]
    assert list(picks) == list(released_picks(points, 11, seed=1)[0])
    centres = KMeans(3, n_init=10, random_state=1).fit(points).cluster_centers_
    taken: list[int] = []
    for turn, (pick, value) in enumerate(zip(picks, cosine, strict=True)):
        centre = centres[turn % 3]
        similarity = points @ centre / (np.linalg.norm(points, axis=1) * np.linalg.norm(centre))
        similarity[taken] = -2
        assert pick == similarity.argmax() and value == pytest.approx(similarity.max())
        taken.append(int(pick))


def test_released_picks_differ_from_the_paper_s_and_end_with_the_clips():
    points = blobs((60, 20, 10)) + [3, 5]
    paper = nearest_to_centres(cluster(points, 2, 10, seed=1), 12)
    assert set(paper) != set(released_picks(points, 12, seed=1)[0])
    assert sorted(released_picks(points, 999, seed=1)[0]) == list(range(90))
    assert list(released_picks(np.ones((4, 2)), 2, seed=1)[1]) == [0, 0]
