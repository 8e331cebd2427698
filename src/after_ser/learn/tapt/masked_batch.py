"""The clips of a training step with their masks, and a part of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class WholeStep:
    """What a part of a step's batch has to know of the whole, so that its draws are the whole's.

    first is the part's first clip, mask [B, T] the mask of all clips, codes [G, V] the mean
    distribution of the codes at all masked frames, for objectives that need it.
    """

    first: int
    mask: np.ndarray
    codes: Tensor | None = None


@dataclass(frozen=True)
class MaskedBatch:
    """B clips of at most S samples and T frames.

    waveforms [B, S] float32, padded with zeros; valid [B, T] tells frames from padding; mask
    [B, T] the masked frames (never padding), twice: on the device and as an array; seed are the
    named parts of this step's random sources; targets [B, T, K] the pseudo-labels of P-TAPT (0 in
    padding), else None; whole is None unless these clips are a part of the step's.
    """

    utts: tuple[str, ...]
    waveforms: Tensor
    valid: Tensor
    mask: Tensor
    mask_array: np.ndarray
    seed: tuple[str | int, ...]
    targets: Tensor | None = None
    whole: WholeStep | None = None

    def part(self, rows: slice) -> MaskedBatch:
        """Return some clips of a whole batch, padded as they were in it.

        Padding stays, since a group-norm model's outputs depend on it.
        """
        return replace(
            self,
            utts=self.utts[rows],
            waveforms=self.waveforms[rows],
            valid=self.valid[rows],
            mask=self.mask[rows],
            mask_array=self.mask_array[rows],
            targets=None if self.targets is None else self.targets[rows],
            whole=WholeStep(rows.start, self.mask_array),
        )

    def to(self, device: torch.device) -> MaskedBatch:
        """Return the batch with its tensors on `device`."""
        return replace(
            self,
            waveforms=self.waveforms.to(device),
            valid=self.valid.to(device),
            mask=self.mask.to(device),
            targets=None if self.targets is None else self.targets.to(device),
        )
