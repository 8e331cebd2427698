"""CAL: clips predicted unlike their labelled neighbours (Margatina et al. 2021)."""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from after_ser.acquisition.base import PoolView, Selection, Strategy, top_k
from after_ser.errors import InputError

#: Smaller probabilities count as this, so that the divergence stays finite.
_SMALLEST = 1e-12


class ContrastiveAcquisition(Strategy):
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

    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return the k clips of largest divergence; ValueError where nothing is labelled."""
        probs, known = pool.get("probs"), pool.get("labelled_probs")
        embeddings, labelled = pool.get("embeddings"), pool.get("labelled_embeddings")
        if len(labelled) == 0:
            raise ValueError("contrastive acquisition needs labelled clips, but there are none")
        if len(pool) == 0:
            return Selection(np.empty(0, dtype=np.int64), np.empty(0))
        search = NearestNeighbors(n_neighbors=min(self.neighbours, len(labelled)))
        search.fit(normalize(labelled.astype(np.float64)))
        near = search.kneighbors(normalize(embeddings.astype(np.float64)), return_distance=False)
        divergence = rel_entr(known[near], np.maximum(probs, _SMALLEST)[:, None, :]).sum(axis=2)
        return top_k(divergence.mean(axis=1), k)
