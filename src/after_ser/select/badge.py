"""BADGE: diverse and large hypothetical gradients (Ash et al. 2020)."""

from __future__ import annotations

import numpy as np

from after_ser.select.base import Floats, PoolView, Selection, Strategy, first_of_largest
from after_ser.select.distances import squared_distances, squared_norms


class Badge(Strategy):
    """k-means++ seeding on gradient embeddings (Ash et al. 2020, Algorithm 1).

    The first pick has the largest gradient; each further one is drawn with a chance in
    proportion to its squared distance to the nearest pick. When every clip that is left coincides
    with a pick, the rest is drawn uniformly.
    Score: that squared distance at the time of the pick, of the first its squared norm.
    Cost O(k N (C + D)), memory O(N (C + D)), where explicit embeddings would take O(N C D).
    """

    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return k clips whose gradients are large and far apart."""
        gradients = GradientEmbeddings(pool.get("probs"), pool.get("embeddings"))
        k = min(max(k, 0), len(pool))
        picks, scores = np.empty(k, dtype=np.int64), np.empty(k)
        left = np.ones(len(pool), dtype=bool)
        nearest = np.full(len(pool), np.inf)
        for step in range(k):
            weights = gradients.squared_norms if step == 0 else np.where(left, nearest, 0.0)
            if weights.sum() == 0.0:
                pick = int(rng.choice(np.flatnonzero(left)))
            elif step == 0:
                pick = first_of_largest(weights)
            else:
                pick = int(rng.choice(len(pool), p=weights / weights.sum()))
            picks[step], scores[step] = pick, weights[pick]
            left[pick] = False
            nearest = np.minimum(nearest, gradients.squared_distances(pick))
        return Selection(picks, scores)


class GradientEmbeddings:
    """Gradients of the cross-entropy at the predicted class with respect to the linear layer.

    The gradient of clip i is the outer product of a_i = p_i - onehot(argmax p_i) [C] and the
    layer's input h_i [D], so that <g_i, g_j> = <a_i, a_j> <h_i, h_j>: the [N, C D] matrix is never
    made. The layer's bias is left out.
    """

    def __init__(self, probs: Floats, embeddings: Floats) -> None:
        """probs: [N, C]; embeddings: [N, D]."""
        self.residual = probs.astype(np.float64)
        predicted = probs.argmax(axis=1)
        self.residual[np.arange(len(probs)), predicted] -= 1.0
        self.embeddings = embeddings.astype(np.float64, copy=False)
        self.squared_norms = squared_norms(self.residual) * squared_norms(self.embeddings)

    def squared_distances(self, index: int) -> Floats:
        """Return the squared distance of each gradient to that of clip `index`, [N]."""
        products = (self.residual @ self.residual[index]) * (
            self.embeddings @ self.embeddings[index]
        )
        return squared_distances(self.squared_norms, self.squared_norms[index], products)
