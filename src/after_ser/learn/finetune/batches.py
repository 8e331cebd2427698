"""Batches of latents: padding, and which clips go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from after_ser.model.latents import StoredFrames


@dataclass(frozen=True)
class Clips:
    """Latents: one [T_i, D] array per clip, in the order of `utts`; in memory or in their file."""

    utts: list[str]
    frames: Sequence[np.ndarray]

    def lengths(self) -> np.ndarray:
        """Return the number of frames of every clip."""
        if isinstance(self.frames, StoredFrames):
            return self.frames.lengths
        return np.array([len(frames) for frames in self.frames])


def epoch_batches(
    lengths: np.ndarray,
    batch_size: int,
    rng: np.random.Generator,
    shuffle: bool = True,
    drop_last: bool = False,
) -> list[np.ndarray]:
    """Return one epoch of batches: every clip exactly once, also those of the last batch.

    A permutation is cut into windows of eight batches; inside a window clips are sorted by
    length, so that little is padded, and the batches are then shuffled.

    The released code's loader is shuffle=False (clips stay in their order, so that every epoch
    has the same batches) and drop_last=True (the clips that fill no whole batch are left out:
    the newest of that order, or the last of the permutation). Fewer clips than one batch are one
    batch all the same, since nothing could be trained otherwise.
    """
    whole = len(lengths) - len(lengths) % batch_size
    used = whole if drop_last and whole else len(lengths)
    if not shuffle:
        return [np.arange(i, min(i + batch_size, used)) for i in range(0, used, batch_size)]
    order = rng.permutation(len(lengths))[:used]
    window = batch_size * 8
    batches: list[np.ndarray] = []
    for start in range(0, len(order), window):
        part = order[start : start + window]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[index] for index in rng.permutation(len(batches))]


def scoring_batches(lengths: np.ndarray, max_frames: int) -> list[np.ndarray]:
    """Return batches of clips sorted by length, at most `max_frames` padded frames each.

    A clip that is longer than that is a batch of its own; no clip is cropped or left out.
    """
    order = np.argsort(lengths, kind="stable")
    batches: list[list[int]] = []
    for clip in order:
        if batches and (len(batches[-1]) + 1) * lengths[clip] <= max_frames:
            batches[-1].append(int(clip))
        else:
            batches.append([int(clip)])
    return [np.array(batch) for batch in batches]


def collate(frames: list[np.ndarray], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pad clips [T_i, D] with zeros to [B, max T, D] float32; also return the lengths [B]."""
    lengths = torch.tensor([len(clip) for clip in frames])
    padded = torch.zeros(len(frames), int(lengths.max()), frames[0].shape[1])
    for row, clip in enumerate(frames):
        padded[row, : len(clip)] = torch.from_numpy(np.asarray(clip, dtype=np.float32))
    return padded.to(device), lengths.to(device)


def first_frames(clips: Clips, longest: int) -> Clips:
    """Return the clips without what comes after their first `longest` frames."""
    if isinstance(clips.frames, StoredFrames):
        return Clips(clips.utts, clips.frames.first(longest))
    return Clips(clips.utts, [frames[:longest] for frames in clips.frames])


def crop(frames: np.ndarray, longest: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random crop of at most `longest` frames."""
    if len(frames) <= longest:
        return frames
    start = int(rng.integers(len(frames) - longest + 1))
    return frames[start : start + longest]
