"""Margin sampling ("margin confidence" in the paper; Scheffer et al. 2001)."""

from __future__ import annotations

import numpy as np

from after_ser.select.base import Floats, PoolView, ScoringStrategy


class Margin(ScoringStrategy):
    """The clips with the smallest gap between the two most probable classes.

    Cost O(N C log C + N log N).
    """

    def scores(self, pool: PoolView) -> Floats:
        """Return minus the margin of each clip, [N]."""
        probs = pool.get("probs")
        if probs.shape[1] == 1:
            return -probs[:, 0]  # nothing to confuse the one class with
        ordered = np.sort(probs, axis=1)
        return ordered[:, -2] - ordered[:, -1]
