"""Joint distribution of a batch's labels under K stochastic passes, for BatchBALD."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import entr, logsumexp, softmax

from after_ser.select.base import Floats

#: Labellings that together could add no more nats than this are left out of a sum.
_NEGLIGIBLE = 1e-10
#: Labellings that are worked on at once, so that intermediate results fit the cache.
_BLOCK = 256


class Labellings:
    """Labellings of the batch so far, and what each says about which of K passes is right.

    Given a pass, labels are independent. So the information that clip x adds to a batch B is

        I(y_x; k | y_B) = sum over labellings b of B of p(b) [H(sum_k w_bk p_k(y_x))
                          - sum_k w_bk H(p_k(y_x))],  w_bk = p_k(b) / sum_k' p_k'(b),

    which is the difference of joint entropy and conditional entropies in Kirsch et al. 2019
    (section 3.2) with what does not depend on x taken out. Every term is at least 0, and so is
    the estimate. All labellings are enumerated while they are at most `most`; then as many are
    drawn, the same number from each pass, and extended by a drawn label for each further clip.

    Likelihoods p_k(b) are kept as logarithms, since those of hundreds of clips are smaller than
    the smallest float64; only the weights w, normalised over passes, leave the log space.
    """

    def __init__(self, passes: int, most: int, rng: np.random.Generator) -> None:
        """Begin with the empty batch: one labelling, which says nothing."""
        self._most, self._rng = most, rng
        self._passes = passes
        self._batch: list[Floats] = []
        self._log_likelihood = np.zeros((1, passes))  # [labellings, K]
        self._probability = np.ones(1)  # p(b), [labellings]
        self._drawn_from: np.ndarray | None = None  # the pass of each drawn labelling
        self._weigh()

    @property
    def exact(self) -> bool:
        """Return whether all labellings are enumerated."""
        return self._drawn_from is None

    def gains(self, probs: Floats) -> Floats:
        """Return the information in nats that each clip would add, [B], from probs [B, K, C]."""
        clips, passes, classes = probs.shape
        by_pass = probs.transpose(1, 0, 2).reshape(passes, clips * classes)
        mixed = np.zeros(clips * classes)
        for start in range(0, len(self._weights), _BLOCK):
            block = slice(start, start + _BLOCK)
            predicted = self._weights[block] @ by_pass
            logs = np.log(np.maximum(predicted, np.finfo(float).tiny))
            logs *= predicted
            mixed -= self._share[block] @ logs
        within = entr(probs).sum(axis=2) @ (self._share @ self._weights)
        gains: Floats = mixed.reshape(clips, classes).sum(axis=1) - within
        gains[gains < 1e-12] = 0.0  # rounding
        return gains

    def extend(self, probs: Floats) -> None:
        """Add a clip to the batch, its class probabilities being probs [K, C]."""
        self._batch.append(probs)
        if self.exact and len(self._probability) * probs.shape[1] <= self._most:
            self._enumerate(probs)
        elif self.exact:
            each = math.ceil(self._most / self._passes)
            self._drawn_from = np.repeat(np.arange(self._passes), each)
            self._log_likelihood = np.zeros((len(self._drawn_from), self._passes))
            self._probability = np.full(len(self._drawn_from), 1.0 / len(self._drawn_from))
            for clip in self._batch:
                self._draw(clip)
        else:
            self._draw(probs)
        self._weigh()

    def _enumerate(self, probs: Floats) -> None:
        """Split each labelling by the new clip's C labels; impossible ones are dropped."""
        split = self._log_likelihood[:, None, :] + _log(probs).T[None, :, :]
        likelihood = split.reshape(-1, self._passes)
        log_probability = logsumexp(likelihood, axis=1) - math.log(self._passes)
        possible = np.isfinite(log_probability)
        self._log_likelihood = likelihood[possible]
        self._probability = np.exp(log_probability[possible])

    def _draw(self, probs: Floats) -> None:
        """Draw the new clip's label for each labelling from the pass that it is drawn from."""
        cumulative = probs.cumsum(axis=1)
        cumulative /= cumulative[:, -1:]
        uniform = self._rng.random(len(self._probability))
        # >= and a last value of exactly 1: a class of probability 0 is never drawn
        labels = (uniform[:, None] >= cumulative[self._drawn_from]).sum(axis=1)
        self._log_likelihood += _log(probs)[:, labels].T

    def _weigh(self) -> None:
        """Compute the posterior over passes of each labelling, and what is left to learn.

        A labelling cannot add more than the entropy of its posterior. Those that settle the
        question are left out of further sums, their terms being zero but for rounding.
        """
        weights = softmax(self._log_likelihood, axis=1)
        open_nats = self._probability * entr(weights).sum(axis=1)
        #: H(k | y_B) in nats, from log K down to 0: no gain can be larger.
        self.entropy = float(open_nats.sum())
        order = np.argsort(open_nats, kind="stable")
        kept = np.sort(order[np.cumsum(open_nats[order]) > _NEGLIGIBLE])
        self._weights: Floats = weights[kept]
        self._share: Floats = self._probability[kept]


def _log(probs: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        logs: Floats = np.log(probs)
    return logs
