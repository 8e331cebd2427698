"""Least confidence (Dredze & Crammer 2008; Lewis & Gale 1994)."""

from __future__ import annotations

from after_ser.select.base import Floats, PoolView, ScoringStrategy


class LeastConfidence(ScoringStrategy):
    """The clips whose most probable class is least probable. Cost O(N C + N log N)."""

    def scores(self, pool: PoolView) -> Floats:
        """Return 1 - max p of each clip, [N]."""
        confidence: Floats = pool.get("probs").max(axis=1)
        return 1.0 - confidence
