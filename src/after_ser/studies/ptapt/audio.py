"""The samples of clips, kept in memory where they fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from after_ser.learn.tapt.clips import Clip
from after_ser.model.geometry import SAMPLE_RATE
from after_ser.model.waveform import read_samples, to_float

CACHE_BYTES = 1.5e9


class Audio:
    """Samples as float32 in [-1, 1), as wav2vec version 1 takes them: not normalised."""

    def __init__(self, clips: Sequence[Clip], keep: bool = True) -> None:
        """Nothing is read yet; `keep`: clips are read more than once."""
        self._clips = list(clips)
        self._keep = keep and sum(clip.seconds for clip in clips) * SAMPLE_RATE * 2 <= CACHE_BYTES
        self._cache: dict[int, np.ndarray] = {}

    def whole(self, index: int, shortest: int) -> np.ndarray:
        """Return all samples [n] of a clip, padded with zeros to `shortest`."""
        samples = self._cache.get(index)
        if samples is None:
            samples = read_samples(self._clips[index].path)
            if self._keep:
                self._cache[index] = samples
        waveform = to_float(samples)
        return np.pad(waveform, (0, max(0, shortest - len(waveform))))

    def batch(
        self, indices: Sequence[int], longest: int, shortest: int, draw: np.random.Generator
    ) -> np.ndarray:
        """Return crops [B, n] at random places, n being the shortest clip's length or `longest`."""
        waveforms = [self.whole(index, shortest) for index in indices]
        length = min(longest, *(len(waveform) for waveform in waveforms))
        starts = [int(draw.integers(0, len(waveform) - length + 1)) for waveform in waveforms]
        return np.stack(
            [
                waveform[start : start + length]
                for waveform, start in zip(waveforms, starts, strict=True)
            ]
        )
