"""Random sampling, the baseline every strategy must be compared with."""

from __future__ import annotations

import numpy as np

from after_ser.select.base import PoolView, Selection, Strategy


class Random(Strategy):
    """Uniform draw without replacement. Cost O(N)."""

    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return k clips drawn uniformly; every score is 0."""
        chosen = rng.permutation(len(pool))[: max(k, 0)].astype(np.int64)
        return Selection(chosen, np.zeros(len(chosen)))
