"""Margin sampling ("margin confidence" in the paper; Scheffer et al. 2001)."""

from __future__ import annotations

import numpy as np

from after_ser.acquisition.base import PoolView, Selection, Strategy, top_k


class Margin(Strategy):
    """The clips with the smallest gap between the two most probable classes.

    Cost O(N C log C + N log N).
    """

    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return the k clips of smallest margin; the score is minus the margin."""
        probs = pool.get("probs")
        if probs.shape[1] == 1:
            return top_k(-probs[:, 0], k)  # nothing to confuse the one class with
        ordered = np.sort(probs, axis=1)
        return top_k(ordered[:, -2] - ordered[:, -1], k)
