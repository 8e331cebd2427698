"""The contract between the pool and an acquisition strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PoolView:
    """What a strategy may know of the unlabelled pool. It has no labels in any form.

    utts:  the clips, sorted, so that a choice does not depend on the order of rows.
    probs: [N, C] class probabilities of the current model, or None where not asked for.
    """

    utts: tuple[str, ...]
    probs: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse unsorted or repeated clips and probabilities that are none."""
        if list(self.utts) != sorted(set(self.utts)):
            raise ValueError("pool: clips must be sorted and unique")
        if self.probs is not None:
            if self.probs.ndim != 2 or len(self.probs) != len(self.utts):
                raise ValueError(f"pool: probs are {self.probs.shape}, clips {len(self.utts)}")
            if not np.isfinite(self.probs).all():
                clip = self.utts[int(np.argwhere(~np.isfinite(self.probs))[0][0])]
                raise ValueError(f"pool: the probabilities of {clip} are not finite")

    def __len__(self) -> int:
        """Return the number of clips N."""
        return len(self.utts)


@dataclass(frozen=True)
class Selection:
    """The chosen clips, best first: indices [k] into the pool and scores [k]."""

    indices: npt.NDArray[np.int64]
    scores: Floats


class Strategy(ABC):
    """Chooses a set of clips; set-valued, since ALPs or BatchBALD have no score per clip."""

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()  # fields of PoolView that must be computed

    @abstractmethod
    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return min(k, N) different clips of the pool."""


def probabilities(pool: PoolView) -> Floats:
    """Return the pool's probabilities [N, C]; ValueError where the view was made without them."""
    if pool.probs is None:
        raise ValueError("pool: the strategy needs probs, but the view has none")
    return pool.probs


def top_k(scores: Floats, k: int) -> Selection:
    """Return the k largest scores in falling order; equal scores in the pool's own order.

    A full stable sort: the released code's argpartition(scores, k)[-k:] is not top-k.
    """
    order = np.argsort(-scores, kind="stable")[: max(k, 0)].astype(np.int64)
    return Selection(order, scores[order])
