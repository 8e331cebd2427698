"""Predictive entropy (paper Eq. 4; Roy & McCallum 2001)."""

from __future__ import annotations

from scipy.special import entr

from after_ser.select.base import Floats, PoolView, ScoringStrategy


class Entropy(ScoringStrategy):
    """The clips with the largest entropy of p(y | x), in nats. Cost O(N C + N log N)."""

    def scores(self, pool: PoolView) -> Floats:
        """Return the entropy of each clip, [N]."""
        entropy: Floats = entr(pool.get("probs")).sum(axis=1)
        return entropy
