"""The contract between the pool and an acquisition strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PoolView:
    """What a strategy may know. It has no labels in any form.

    utts:     the N unlabelled clips, sorted, so that a choice does not depend on the order of rows.
    features: what its registry entry asks for, by name, and nothing else. A row for each clip of
              the pool, or for each of the L labelled ones (sorted too) in what begins with
              "labelled_". With C classes and K stochastic passes:

    probs:               [N, C] class probabilities of the current model.
    mc_probs:            [N, K, C] class probabilities under K dropout masks, each the same for
                         the whole pool.
    embeddings:          [N, D] what the linear layer of the head is given.
    surprisal:           [N, T] masked InfoNCE loss of the start model in T equal parts of time.
    cnn_means:           [N, D'] mean CNN latents of the pre-trained model.
    labelled_probs:      [L, C] and
    labelled_embeddings: [L, D] the same of the clips that are labelled already.
    """

    utts: tuple[str, ...]
    features: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse unsorted or repeated clips, and numbers that are not finite or do not fit."""
        if list(self.utts) != sorted(set(self.utts)):
            raise ValueError("pool: clips must be sorted and unique")
        for name, values in self.features.items():
            self._check(name, values)

    def _check(self, name: str, values: Floats) -> None:
        of_pool = not name.startswith("labelled_")
        if values.ndim < 1 or (of_pool and len(values) != len(self.utts)):
            raise ValueError(f"pool: {name} has the shape {values.shape}, clips {len(self.utts)}")
        if values.dtype.kind != "f":
            raise ValueError(f"pool: {name} is of {values.dtype}, expected measured numbers")
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            clip = self.utts[int(bad[0][0])] if of_pool else f"labelled clip {bad[0][0]}"
            raise ValueError(f"pool: the {name} of {clip} are not finite")

    def __len__(self) -> int:
        """Return the number of unlabelled clips N."""
        return len(self.utts)

    def get(self, name: str) -> Floats:
        """Return the feature `name`; ValueError where the view was made without it."""
        if name not in self.features:
            raise ValueError(f"pool: the strategy needs {name}, but the view has none")
        return self.features[name]


@dataclass(frozen=True)
class Selection:
    """The chosen clips, best first: indices [k] into the pool and scores [k].

    details: further columns of query.tsv, [k] each, e.g. the information gained by each pick.
    """

    indices: npt.NDArray[np.int64]
    scores: Floats
    details: Mapping[str, Sequence[object]] = field(default_factory=dict)


class Strategy(ABC):
    """Chooses a set of clips; set-valued, since ALPs or BatchBALD have no score per clip.

    What it is shown of the pool and its options are in the registry, which is light to import; an
    option is a keyword of the constructor.
    """

    @abstractmethod
    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return min(k, N) different clips of the pool."""


class ScoringStrategy(Strategy):
    """Gives every clip of the pool a score of its own, and chooses the largest."""

    @abstractmethod
    def scores(self, pool: PoolView) -> Floats:
        """Return a score per clip, [N]; the larger, the sooner it is asked for."""

    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return the k clips of largest score."""
        return top_k(self.scores(pool), k)


def scores_of(strategy: Strategy, pool: PoolView) -> Floats:
    """Return the strategy's score of each clip, [N]; ValueError if it chooses a set."""
    if not isinstance(strategy, ScoringStrategy):
        raise ValueError("it chooses a set of clips; expected a strategy with a score per clip")
    return strategy.scores(pool)


def top_k(scores: Floats, k: int) -> Selection:
    """Return the k largest scores in falling order; equal scores in the pool's own order.

    A full stable sort: the released code's argpartition(scores, k)[-k:] is not top-k.
    """
    order = np.argsort(-scores, kind="stable")[: max(k, 0)].astype(np.int64)
    return Selection(order, scores[order])


def first_of_largest(values: Floats) -> int:
    """Return the first index whose value is the largest, up to rounding.

    A matrix product may give equal clips values that differ in the last digits. Those must not
    decide between them, but their order in the pool.
    """
    largest = values.max()
    return int(np.flatnonzero(values >= largest - 1e-9 * abs(largest))[0])


def argpartition_slip(scores: Floats, k: int) -> Selection:
    """Return the clips that the released code takes: argpartition(scores, k)[-k:], in that order.

    scores: of every clip of the pool, [N]. NumPy puts the k smallest scores first and the
    rest behind them in no order, so these are any k of the clips above the k smallest; which ones
    depends on NumPy's version and the processor. No clip for k = 0 and all for k = N, where the
    released line would take all and fail.
    """
    if k <= 0:
        chosen = np.empty(0, dtype=np.int64)
    elif k >= len(scores):
        chosen = np.arange(len(scores))
    else:
        chosen = np.argpartition(scores, k)[-k:].astype(np.int64)
    return Selection(chosen, scores[chosen])
