"""Batches of clips of similar length, filled to a number of seconds of audio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from after_ser.core.seeding import rng

#: How far clips may move in the order by length from one epoch to the next (share of length).
JITTER = 0.1


def length_batches(
    durations: Sequence[float] | np.ndarray, seconds: float, *seed: str | int
) -> list[np.ndarray]:
    """Return index arrays: every clip exactly once, padded seconds per batch <= `seconds`.

    A batch's cost is its longest clip times its number of clips, which is what the model works
    on and what memory holds; a clip longer than `seconds` gets a batch of its own. No last batch
    is dropped. With `seed` (the named parts, the epoch included) clips of similar length are
    mixed differently every epoch and the batches are shuffled; without it the batches are in
    order of length, for scoring.
    """
    lengths = np.asarray(durations, dtype=np.float64)
    keys = lengths
    generator = rng(*seed) if seed else None
    if generator is not None:
        keys = lengths * (1 + JITTER * generator.uniform(-1, 1, size=len(lengths)))
    batches: list[np.ndarray] = []
    current: list[int] = []
    longest = 0.0
    for index in np.argsort(keys, kind="stable"):
        longest_with = max(longest, lengths[index])
        if current and longest_with * (len(current) + 1) > seconds:
            batches.append(np.array(current))
            current, longest_with = [], lengths[index]
        current.append(int(index))
        longest = longest_with
    if current:
        batches.append(np.array(current))
    if generator is not None:
        return [batches[i] for i in generator.permutation(len(batches))]
    return batches


class StepSchedule:
    """Maps a training step to its batch, from the seed alone, so that a resumed run needs no state.

    Epoch e's batches come from `length_batches(..., *seed, "epoch", e)`; epochs follow each other.
    """

    def __init__(self, durations: Sequence[float], seconds: float, *seed: str | int) -> None:
        """`durations` and `seconds` in seconds; `seed` the named parts without the epoch.

        Raises ValueError where there is no clip, of which no step could be made.
        """
        if len(durations) == 0:
            raise ValueError("no clips to make batches of")
        self._durations = np.asarray(durations, dtype=np.float64)
        self._seconds = seconds
        self._seed = seed
        self._first = 0  # first step of the epoch below
        self._epoch = -1
        self._batches: list[np.ndarray] = []

    def batch(self, step: int) -> tuple[int, np.ndarray]:
        """Return (epoch, clip indices) of `step` >= 0; cheapest when steps only grow."""
        if step < self._first:
            self._first, self._epoch, self._batches = 0, -1, []
        while step >= self._first + len(self._batches):
            self._first += len(self._batches)
            self._epoch += 1
            self._batches = length_batches(
                self._durations, self._seconds, *self._seed, "epoch", self._epoch
            )
        return self._epoch, self._batches[step - self._first]
