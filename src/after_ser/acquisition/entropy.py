"""Predictive entropy (paper Eq. 4; Roy & McCallum 2001)."""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from after_ser.acquisition.base import PoolView, Selection, Strategy, top_k


class Entropy(Strategy):
    """The clips with the largest entropy of p(y | x), in nats. Cost O(N C + N log N)."""

    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return the k clips of largest entropy."""
        return top_k(entr(pool.get("probs")).sum(axis=1), k)
