"""Early stopping: which epoch is kept, and when training ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass
class EarlyStopping:
    """Keeps the epoch of the best val score; ends after `patience` epochs without a better one.

    patience:  epochs in a row; 0 never ends training early.
    mode:      whether the best score is the lowest (a loss) or the highest (an accuracy).
    threshold: waiting ends only with a score that is better than the best so far by more than
               this. As in transformers' callback, any better score is kept all the same.
    keep_last: the last epoch is kept, no score decides anything and patience does not count.

    best, best_epoch and waited are where it stands. Of equal scores the first is the best.
    """

    patience: int = 0
    mode: Literal["min", "max"] = "min"
    threshold: float = 0.0
    keep_last: bool = False
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0

    def update(self, epoch: int, score: float | None) -> bool:
        """Take an epoch's score; tell whether its weights are the best so far, to be kept.

        `score` may be None only with keep_last.
        """
        if self.keep_last:
            self.best, self.best_epoch = score, epoch
            return False
        assert score is not None
        self.waited = 0 if self._better(score, self.threshold) else self.waited + 1
        if not self._better(score, 0.0):
            return False
        self.best, self.best_epoch = score, epoch
        return True

    @property
    def stop(self) -> bool:
        """Whether training should end."""
        return 0 < self.patience <= self.waited

    def _better(self, score: float, by: float) -> bool:
        if self.best is None:
            return True
        return score > self.best + by if self.mode == "max" else score < self.best - by
