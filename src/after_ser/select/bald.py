"""BALD: disagreement between stochastic passes (Houlsby et al. 2011; Gal et al. 2017)."""

from __future__ import annotations

from scipy.special import entr

from after_ser.select.base import Floats, PoolView, ScoringStrategy


class Bald(ScoringStrategy):
    """The clips whose label says most about the model's parameters, each judged alone.

    Mutual information of label and parameters, H(mean of p_k) - mean of H(p_k), in nats, over K
    passes with dropout (Houlsby et al. 2011; with dropout, Gal, Islam & Ghahramani 2017).
    A batch may hold near copies; BatchBALD and PowerBALD are the remedies.
    Cost O(N K C + N log N), memory O(N K C).
    """

    def scores(self, pool: PoolView) -> Floats:
        """Return the mutual information of each clip, [N]."""
        return mutual_information(pool.get("mc_probs"))


def mutual_information(mc_probs: Floats) -> Floats:
    """Return I(y; parameters) of each clip in nats, [N], from class probabilities [N, K, C].

    It lies between 0 and log K. Rounding of equal passes is set to zero, so that clips without
    disagreement are ties.
    """
    expected = entr(mc_probs).sum(axis=2).mean(axis=1)
    information: Floats = entr(mc_probs.mean(axis=1)).sum(axis=1) - expected
    information[information < 1e-12] = 0.0
    return information
