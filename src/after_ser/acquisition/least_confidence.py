"""Least confidence (Dredze & Crammer 2008; Lewis & Gale 1994)."""

from __future__ import annotations

import numpy as np

from after_ser.acquisition.base import PoolView, Selection, Strategy, top_k


class LeastConfidence(Strategy):
    """The clips whose most probable class is least probable. Cost O(N C + N log N)."""

    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return the k clips of largest 1 - max p."""
        return top_k(1.0 - pool.get("probs").max(axis=1), k)
