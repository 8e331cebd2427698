"""CAL: clips predicted unlike their labelled neighbours (Margatina et al. 2021)."""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from after_ser.core.errors import InputError
from after_ser.select.base import Floats, PoolView, ScoringStrategy

#: Smaller probabilities count as this, so that the divergence stays finite.
_SMALLEST = 1e-12


class ContrastiveAcquisition(ScoringStrategy):
    """The clips whose prediction differs most from those of similar labelled clips.

    Score (Margatina, Vernikos, Barrault & Aletras 2021, Algorithm 1): mean over the nearest
    labelled clips, by Euclidean distance of the L2-normalised inputs of the linear layer, of
    KL(p(neighbour) || p(clip)), in nats. With fewer labelled clips than `neighbours`, all of them.
    Cost O(N L D + N neighbours C), memory O((N + L) D).
    """

    def __init__(self, neighbours: int = 10) -> None:
        """Compare each clip with this many labelled ones (10 in the paper)."""
        if neighbours < 1:
            raise InputError(f"strategy cal: neighbours is {neighbours}, expected at least 1")
        self.neighbours = neighbours

    def scores(self, pool: PoolView) -> Floats:
        """Return the divergence of each clip, [N]; ValueError where nothing is labelled."""
        probs, labelled_probs = pool.get("probs"), pool.get("labelled_probs")
        embeddings, labelled = pool.get("embeddings"), pool.get("labelled_embeddings")
        if len(labelled) == 0:
            raise ValueError("contrastive acquisition needs labelled clips, but there are none")
        if len(pool) == 0:
            return np.empty(0)
        search = NearestNeighbors(n_neighbors=min(self.neighbours, len(labelled)))
        search.fit(normalize(labelled.astype(np.float64)))
        near = search.kneighbors(normalize(embeddings.astype(np.float64)), return_distance=False)
        smallest = np.maximum(probs, _SMALLEST)[:, None, :]
        divergence: Floats = rel_entr(labelled_probs[near], smallest).sum(axis=2).mean(axis=1)
        return divergence
