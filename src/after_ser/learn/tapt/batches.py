"""The batch of a training step: a function of the seed and the step alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from after_ser.core.seeding import rng
from after_ser.learn.tapt.clips import Clip
from after_ser.learn.tapt.masked_batch import MaskedBatch
from after_ser.learn.tapt.masking import span_mask
from after_ser.learn.tapt.pseudo_labels import PseudoLabels
from after_ser.learn.tapt.settings import PretrainSettings
from after_ser.model.batching import StepSchedule
from after_ser.model.geometry import SAMPLE_RATE, Geometry
from after_ser.model.waveform import read_samples, to_float


class Batches:
    """Makes the batches; audio is kept decoded in memory where it fits, else read per batch."""

    def __init__(
        self,
        clips: Sequence[Clip],
        settings: PretrainSettings,
        geometry: Geometry,
        prepare: Callable[[np.ndarray], np.ndarray],
        seed: tuple[str | int, ...],
        targets: PseudoLabels | None = None,
    ) -> None:
        """`prepare` is applied to every crop, as the family wants it; `seed`: named parts."""
        self._clips = list(clips)
        self._settings = settings
        self._geometry = geometry
        self._prepare = prepare
        self._seed = seed
        self._targets = targets
        lengths = [min(clip.seconds, settings.crop_s) for clip in clips]
        self._schedule = StepSchedule(lengths, settings.seconds_per_step, *seed)
        total_bytes = sum(clip.seconds for clip in clips) * SAMPLE_RATE * 2
        self._keep = total_bytes <= settings.cache_gb * 1e9
        self._cache: dict[int, np.ndarray] = {}

    def make(self, step: int) -> MaskedBatch:
        """Return the batch of `step` (from 0), on the CPU."""
        epoch, indices = self._schedule.batch(step)
        seed = (*self._seed, "step", step)
        crops = [self._crop(int(index), epoch) for index in indices]
        longest = max(max(len(crop) for crop in crops), self._geometry.receptive_field)
        waveforms = np.zeros((len(crops), longest), dtype=np.float32)
        for row, crop in enumerate(crops):
            waveforms[row, : len(crop)] = crop
        frames = np.array([self._geometry.frames(len(crop)) for crop in crops])
        total = self._geometry.frames(longest)
        mask = span_mask(
            frames,
            total,
            self._settings.mask_share,
            self._settings.mask_span,
            *seed,
            "mask",
            least=self._settings.mask_min_spans,
        )
        valid = np.arange(total)[None, :] < frames[:, None]
        return MaskedBatch(
            utts=tuple(self._clips[index].utt for index in indices),
            waveforms=torch.from_numpy(waveforms),
            valid=torch.from_numpy(valid),
            mask=torch.from_numpy(mask),
            mask_array=mask,
            seed=seed,
            targets=self._labels(epoch, indices, frames, total),
        )

    def one_epoch(self) -> Iterator[MaskedBatch]:
        """Yield the batches of the first epoch, which has every clip once."""
        step = 0
        while self._schedule.batch(step)[0] == 0:
            yield self.make(step)
            step += 1

    def _labels(
        self, epoch: int, indices: np.ndarray, frames: np.ndarray, total: int
    ) -> Tensor | None:
        if self._targets is None:
            return None
        labels = np.zeros((len(indices), total, len(self._targets.sizes)), dtype=np.int64)
        for row, (index, count) in enumerate(zip(indices, frames, strict=True)):
            start = self._start(int(index), epoch)
            utt = self._clips[index].utt
            labels[row, :count] = self._targets.frames(utt, start, int(count), self._geometry)
        return torch.from_numpy(labels)

    def prefetch(self, first: int, last: int) -> Iterator[MaskedBatch]:
        """Yield the batches of steps `first` to `last` - 1, each decoded while the one before runs.

        Decoding happens in C without holding the interpreter, so one thread is enough.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="audio") as pool:
            following: Future[MaskedBatch] | None = None
            for step in range(first, last):
                batch = following.result() if following else self.make(step)
                following = pool.submit(self.make, step + 1) if step + 1 < last else None
                yield batch

    def _start(self, index: int, epoch: int) -> int:
        """Return the sample at which the clip's part for this epoch begins."""
        clip = self._clips[index]
        length = int(self._settings.crop_s * SAMPLE_RATE)
        samples = int(round(clip.seconds * SAMPLE_RATE))
        if samples <= length:
            return 0
        generator = rng(*self._seed, "crop", clip.utt, epoch)
        return int(generator.integers(0, samples - length + 1))

    def _crop(self, index: int, epoch: int) -> np.ndarray:
        """Return the clip's part for this epoch: all of it, or `crop_s` at a random place."""
        clip = self._clips[index]
        length = int(self._settings.crop_s * SAMPLE_RATE)
        start = self._start(index, epoch)
        if self._keep:
            if index not in self._cache:
                self._cache[index] = read_samples(clip.path)
            part = self._cache[index][start : start + length]
        else:
            part = read_samples(clip.path, start, length)
        return self._prepare(to_float(part))
