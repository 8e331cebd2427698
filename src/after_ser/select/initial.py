"""The initial labelled set: K-means on CNN latents (paper section 3.2), or random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from after_ser.core.seeding import derive_seed, rng
from after_ser.select.base import Floats


@dataclass(frozen=True)
class Clustering:
    """K-means of the train clips: labels [N], distances to their own centre [N], inertia by k."""

    k: int
    assignment: npt.NDArray[np.int64]
    distance: Floats
    inertia: dict[int, float]
    knee_found: bool


def cluster(embeddings: Floats, k_min: int, k_max: int, seed: int) -> Clustering:
    """Cluster embeddings [N, D] with Euclidean K-means, k by the elbow method.

    The elbow of the inertia over k = k_min..k_max is found by kneed (Satopaa et al. 2011); where
    the curve has none, the middle of the range is taken and `knee_found` is False. k never
    exceeds the number of different embeddings.
    """
    from kneed import KneeLocator
    from sklearn.cluster import KMeans

    distinct = len(np.unique(embeddings, axis=0))
    candidates = list(range(min(k_min, distinct), min(k_max, distinct) + 1))
    fits = {
        k: KMeans(n_clusters=k, n_init=10, random_state=seed % 2**32).fit(embeddings)
        for k in candidates
    }
    inertia = {k: float(fit.inertia_) for k, fit in fits.items()}
    knee = None
    if len(candidates) > 2:
        knee = KneeLocator(
            candidates, list(inertia.values()), curve="convex", direction="decreasing"
        ).knee
    k = int(knee) if knee is not None else candidates[len(candidates) // 2]
    fit = fits[k]
    distance = np.linalg.norm(embeddings - fit.cluster_centers_[fit.labels_], axis=1)
    return Clustering(k, fit.labels_.astype(np.int64), distance, inertia, knee is not None)


def quotas(sizes: list[int], count: int) -> list[int]:
    """Share `count` picks over clusters in proportion to their sizes, by largest remainder.

    Never more than a cluster holds; ties go to the cluster that comes first.
    """
    count = min(count, sum(sizes))
    exact = [count * size / sum(sizes) for size in sizes]
    shares = [min(int(share), size) for share, size in zip(exact, sizes, strict=True)]
    order = sorted(range(len(sizes)), key=lambda i: (int(exact[i]) - exact[i], i))
    while sum(shares) < count:
        for index in order:
            if sum(shares) < count and shares[index] < sizes[index]:
                shares[index] += 1
    return shares


def nearest_to_centres(clustering: Clustering, count: int) -> npt.NDArray[np.int64]:
    """Return `count` clips nearest to their centres, quotas proportional to cluster size.

    The order takes the clusters in turn, the most central clip of each first.
    """
    members = [np.flatnonzero(clustering.assignment == index) for index in range(clustering.k)]
    picks: list[tuple[int, int, int]] = []
    for index, share in enumerate(quotas([len(m) for m in members], count)):
        clips = members[index]
        ranked = clips[np.argsort(clustering.distance[clips], kind="stable")][:share]
        picks += [(depth, index, int(clip)) for depth, clip in enumerate(ranked)]
    return np.array([clip for _, _, clip in sorted(picks)], dtype=np.int64)


RELEASED_CLUSTERS = 3


def released_picks(
    embeddings: Floats, count: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Return the released code's initial set: clips, the cluster each was taken for, its cosine.

    Euclidean K-means of embeddings [N, D] with k = 3 (fewer where there are fewer different
    ones); then the centres take turns, each taking the clip of largest cosine similarity to it
    that is left, until there are `count`. So shares are equal whatever the sizes of the clusters,
    and a clip may be taken by another centre than its own. (Its embeddings are x-vectors of a
    speaker-verification model; which ones are given is the caller's choice.)
    """
    from sklearn.cluster import KMeans

    k = min(RELEASED_CLUSTERS, len(np.unique(embeddings, axis=0)))
    centres = KMeans(k, n_init=10, random_state=seed % 2**32).fit(embeddings).cluster_centers_
    norms = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(centres, axis=1)[:, None]
    similarity = (centres @ embeddings.T) / np.maximum(norms, 1e-12)
    left = similarity.copy()
    clips: list[int] = []
    for turn in range(min(count, len(embeddings))):
        clip = int(left[turn % k].argmax())
        clips.append(clip)
        left[:, clip] = -np.inf
    picks = np.array(clips, dtype=np.int64)
    clusters = np.arange(len(picks), dtype=np.int64) % k
    return picks, clusters, similarity[clusters, picks]


def random_initial(n: int, count: int, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return `count` of n clips drawn uniformly without replacement.

    A prefix of one permutation, so that larger fractions contain smaller ones.
    """
    return draw.permutation(n)[:count].astype(np.int64)


def initial_query(
    utts: Sequence[str],
    count: int,
    seed_parts: tuple[str | int, ...],
    means: Floats | None,
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Return the initial set of `count` clips: utt, rank (from 1), score and, by K-means, cluster.

    means: [N, D] of the clips, for K-means with k_min and k_max of `settings` or, with `method:
    released`, as the released code has it; None draws at random.
    """
    columns: dict[str, Any] = {"score": 0.0}
    if means is None:
        picks = random_initial(len(utts), count, rng(*seed_parts))
    elif settings.get("method") == "released":
        picks, clusters, cosine = released_picks(means, count, derive_seed(*seed_parts))
        columns = {"score": cosine, "cluster": clusters, "k": clusters.max() + 1}
    else:
        clustering = cluster(means, settings["k_min"], settings["k_max"], derive_seed(*seed_parts))
        picks = nearest_to_centres(clustering, count)
        columns = {
            "score": -clustering.distance[picks],
            "cluster": clustering.assignment[picks],
            "k": clustering.k,
            "knee_found": clustering.knee_found,
        }
    ranks = range(1, len(picks) + 1)
    return pd.DataFrame({"utt": [utts[i] for i in picks], "rank": ranks, **columns})
