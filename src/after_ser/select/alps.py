"""ALPs: the clips that surprise the self-supervised model in different ways (Yuan et al. 2020)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from after_ser.select.base import Floats, PoolView, Selection, Strategy, first_of_largest


class Alps(Strategy):
    """One clip from each of k clusters of surprisal vectors (Yuan, Lin & Boyd-Graber 2020).

    A clip's vector is the self-supervised loss of the start model over time, here wav2vec 2.0's
    masked InfoNCE loss in T equal parts instead of BERT's loss per token. It is L2-normalised and
    clustered by K-means with k = query size; the clip nearest to each centre is taken, or, where
    another centre has that one already, the nearest that is left. Larger clusters come first.
    The model's surprise knows neither classes nor labels.

    Score: minus the distance to the centre. With fewer different vectors than k, the rest is
    drawn uniformly, as in the original.
    Cost O(k N T) per iteration of K-means, memory O((k + T) N).
    """

    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return one clip per cluster of the pool's surprisal."""
        surprisal = pool.get("surprisal")
        k = min(max(k, 0), len(pool))
        if k == len(pool):  # each clip is its own centre
            return Selection(np.arange(k), np.zeros(k))
        if k == 0:
            return Selection(np.empty(0, dtype=np.int64), np.empty(0))
        # what differs by rounding only is the same vector
        vectors = normalize(surprisal.astype(np.float64)).round(9)
        clusters = min(k, len(np.unique(vectors, axis=0)))
        seed = int(rng.integers(2**32))
        # one thread: K-means adds up the threads' sums in the order in which they end
        with threadpool_limits(limits=1):
            # one start, since with hundreds of clusters further ones change little and cost much
            fit = KMeans(n_clusters=clusters, n_init=1, random_state=seed).fit(vectors)
            squared = euclidean_distances(fit.cluster_centers_, vectors, squared=True)
        order = np.argsort(-np.bincount(fit.labels_, minlength=clusters), kind="stable")
        picks = nearest_clips(squared[order])
        rest = np.setdiff1d(np.arange(len(pool)), picks)
        picks = np.concatenate([picks, rng.permutation(rest)[: k - clusters]])
        nearest = np.full(k, np.inf)
        nearest[:clusters] = squared[order, picks[:clusters]]
        nearest[clusters:] = squared[:, picks[clusters:]].min(axis=0)
        return Selection(picks, -np.sqrt(np.maximum(nearest, 0.0)))


def nearest_clips(squared: Floats) -> npt.NDArray[np.int64]:
    """Return for each centre in turn the nearest clip that no centre before it has.

    squared: squared distances [centres, N], centres <= N; of clips at one distance the first.
    """
    closeness = -np.where(squared < 1e-12, 0.0, squared)
    picks = np.empty(len(squared), dtype=np.int64)
    taken = np.zeros(squared.shape[1], dtype=bool)
    for index, row in enumerate(closeness):
        row[taken] = -np.inf
        picks[index] = first_of_largest(row)
        taken[picks[index]] = True
    return picks
