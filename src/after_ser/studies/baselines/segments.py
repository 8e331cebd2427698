"""Spectrograms of clips cut into equally long segments, which are classified and then averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad


@dataclass(frozen=True)
class Segments:
    """Segments [N, bins, frames] (float16, to hold a corpus in memory); `clip` [N] is whose."""

    values: Tensor
    clip: np.ndarray

    @property
    def clips(self) -> int:
        """Return how many clips there are; each has at least one segment."""
        return int(self.clip[-1]) + 1 if len(self.clip) else 0


def cut(signal: Tensor, length: int, hop: int) -> Tensor:
    """Return the segments [n, ..., length] of a signal [..., T], `hop` apart, zeros behind the end.

    Every sample is in a segment, and no segment lies in the one before it.
    """
    total = signal.shape[-1]
    count = 1 + max(0, -(-(total - length) // hop))
    padded = pad(signal, (0, max(0, (count - 1) * hop + length - total)))
    return padded.unfold(-1, length, hop).movedim(-2, 0).contiguous()


def gather(parts: Sequence[Tensor]) -> Segments:
    """Return the segments of all clips, given those [n_i, bins, frames] of each."""
    clip = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return Segments(torch.cat([part.half() for part in parts]), clip)


@torch.no_grad()
def score_segments(
    network: nn.Module, values: Tensor, batch_size: int, device: torch.device
) -> np.ndarray:
    """Return the softmax [N, classes] of a network in evaluation mode."""
    network.eval()
    probs = [network(batch.to(device).float()).softmax(dim=1) for batch in values.split(batch_size)]
    scored: np.ndarray = torch.cat(probs).double().cpu().numpy()
    return scored


def mean_by_clip(probs: np.ndarray, segments: Segments) -> np.ndarray:
    """Return the mean [clips, classes] of the segments' probabilities [N, classes]."""
    total = np.zeros((segments.clips, probs.shape[1]))
    np.add.at(total, segments.clip, probs)
    counts: np.ndarray = np.bincount(segments.clip, minlength=segments.clips)[:, None]
    return total / counts
