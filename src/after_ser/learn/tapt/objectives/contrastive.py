"""Eq. 1: find the masked frame's own quantised vector among those of all frames of its clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from after_ser.learn.tapt.objectives.base import ModelOutput, Objective, Parts

if TYPE_CHECKING:
    from after_ser.learn.tapt.masked_batch import MaskedBatch
    from after_ser.model.families.base import Pretraining


class Contrastive(Objective):
    """InfoNCE over the frames of an utterance, as Eq. 1, averaged over masked frames.

    Two readings of the paper: the sum over i is over masked frames, since an unmasked one is
    seen by the transformer; and it is averaged, since summed it would drown Eq. 2, which is
    averaged. The denominator has every frame of the clip, as printed, also those that happen to
    have the same code, so log(number of such frames) is the least a frame can reach.
    """

    def __init__(self, model: Pretraining, temperature: float = 0.1) -> None:
        """Has no weights; `temperature` is kappa, 0.1 in the paper."""
        super().__init__()
        self.temperature = temperature

    def loss(self, output: ModelOutput, batch: MaskedBatch) -> tuple[Tensor, Parts]:
        """Return the mean over masked frames; padded frames are no negatives."""
        context = nn.functional.normalize(output.context.float(), dim=-1)
        target = nn.functional.normalize(output.quantised.float(), dim=-1)
        similarity = torch.bmm(context, target.transpose(1, 2)) / self.temperature  # [B, T, T]
        similarity = similarity.masked_fill(~batch.valid[:, None, :], float("-inf"))
        own = torch.arange(similarity.shape[1], device=similarity.device)
        own = own.expand(len(similarity), -1)
        value = nn.functional.cross_entropy(similarity[batch.mask], own[batch.mask])
        return value, {"eq1": value.detach()}
