"""Core-set by greedy k-centre (Sener & Savarese 2018)."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import pairwise_distances_argmin

from after_ser.select.base import Floats, PoolView, Selection, Strategy, first_of_largest
from after_ser.select.distances import squared_distances, squared_norms


class GreedyKCentre(Strategy):
    """The clip farthest from everything that is labelled or picked, again and again.

    Greedy k-centre (Sener & Savarese 2018, Algorithm 1; Gonzalez 1985), Euclidean in the space of
    the linear layer's input: the largest distance of a clip to its nearest centre is at most twice
    the best possible. It is not the paper's robust variant, a mixed integer program.
    Score: the distance at the time of the pick. Without labelled clips the first is drawn
    uniformly and has score 0.
    Cost O((L + k) N D), memory O((N + L) D).
    """

    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return the k farthest clips in greedy order."""
        embeddings = pool.get("embeddings").astype(np.float64, copy=False)
        labelled = pool.get("labelled_embeddings").astype(np.float64, copy=False)
        k = min(max(k, 0), len(pool))
        picks, scores = np.empty(k, dtype=np.int64), np.empty(k)
        if k == 0:
            return Selection(picks, scores)
        norms = squared_norms(embeddings)
        nearest = _to_labelled(embeddings, labelled)
        for step in range(k):
            if np.isfinite(nearest).any():
                pick = first_of_largest(nearest)
                scores[step] = np.sqrt(nearest[pick])
            else:  # nothing is labelled and this is the first
                pick, scores[step] = int(rng.integers(len(pool))), 0.0
            picks[step] = pick
            distances = squared_distances(norms, norms[pick], embeddings @ embeddings[pick])
            nearest = np.minimum(nearest, distances)
            nearest[pick] = -np.inf
        return Selection(picks, scores)


def _to_labelled(embeddings: Floats, labelled: Floats) -> Floats:
    """Return the squared distance of each clip to its nearest labelled one, [N]; else inf."""
    if len(labelled) == 0:
        return np.full(len(embeddings), np.inf)
    nearest = labelled[pairwise_distances_argmin(embeddings, labelled)]
    products: Floats = np.einsum("nd,nd->n", embeddings, nearest)
    return squared_distances(squared_norms(embeddings), squared_norms(nearest), products)
