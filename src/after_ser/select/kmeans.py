"""wav2vec 2.0 & clustering: K-means of the pool in every round (paper section 3.1.2)."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from after_ser.core.errors import InputError
from after_ser.select.base import PoolView, Selection, Strategy
from after_ser.select.initial import cluster, nearest_to_centres


class PoolKMeans(Strategy):
    """What the initial set does (paper section 2.3), repeated on what is still unlabelled.

    K-means on the mean CNN latents, k by the elbow method, a share for each cluster in proportion
    to its size, nearest to the centre first. The fine-tuned model plays no part.
    Score: minus the distance to the centre; `cluster` is the clip's cluster of this round.
    Cost O(k_max N D') per iteration of K-means, ten starts for each number of clusters; memory
    O(N D').
    """

    def __init__(self, k_min: int = 2, k_max: int = 10) -> None:
        """Try k_min to k_max clusters."""
        if not 1 <= k_min <= k_max:
            raise InputError(
                f"strategy kmeans: k_min is {k_min} and k_max {k_max}, expected 1 <= k_min <= k_max"
            )
        self.k_min, self.k_max = k_min, k_max

    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return the k clips nearest to their centres."""
        means = pool.get("cnn_means").astype(np.float64, copy=False)
        if k <= 0 or len(pool) == 0:
            return Selection(np.empty(0, dtype=np.int64), np.empty(0), {"cluster": []})
        # one thread: K-means adds up the threads' sums in the order in which they end
        with threadpool_limits(limits=1):
            clustering = cluster(means, self.k_min, self.k_max, int(rng.integers(2**32)))
        picks = nearest_to_centres(clustering, k)
        clusters = clustering.assignment[picks].tolist()
        return Selection(picks, -clustering.distance[picks], {"cluster": clusters})
