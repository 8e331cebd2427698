"""P-TAPT: predict the emotion pseudo-labels of masked frames (Chen and Rudnicky 2023, stage 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from after_ser.core.errors import InputError
from after_ser.learn.tapt.objectives.base import ModelOutput, Objective, Parts

if TYPE_CHECKING:
    from after_ser.learn.tapt.masked_batch import MaskedBatch
    from after_ser.model.families.base import Pretraining

WIDTH = 256


class PseudoLabelPrediction(Objective):
    """Cross-entropy of each granularity's cluster at masked frames, summed over granularities.

    A head per granularity: ReLU of the transformer's output, linear to 256, tanh, linear to the
    clusters (0.21, 0.33 and 1.25 M weights for 64, 512 and 4096 on wav2vec2-base). The heads
    belong to the objective: they are not part of the checkpoint that fine-tuning starts from.
    Only they and the transformer are trained. CNN, projection and mask embedding stay as they
    are, as in the authors' code; here the frozen projection has no dropout either.
    """

    reads_codes = False

    def __init__(self, model: Pretraining, sizes: Sequence[int] = ()) -> None:
        """Make the heads; `sizes` are the numbers of clusters, in the order of the targets."""
        super().__init__()
        if not sizes:
            raise InputError("pre-training: objective p-tapt without pseudo-labels to predict")
        self.sizes = tuple(int(size) for size in sizes)
        width = model.body.width
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, WIDTH), nn.Tanh(), nn.Linear(WIDTH, size))
            for size in self.sizes
        )

    def freeze(self, model: Pretraining) -> None:
        """Leave only the transformer trainable."""
        model.module.requires_grad_(False)
        model.body.transformer.requires_grad_(True)
        model.front.eval()
        model.body.projection.eval()

    def loss(self, output: ModelOutput, batch: MaskedBatch) -> tuple[Tensor, Parts]:
        """Return the sum of the means over masked frames, with the share predicted right."""
        if batch.targets is None:
            raise ValueError("a batch without pseudo-labels")
        hidden = torch.relu(output.hidden[batch.mask].float())
        total = hidden.new_zeros(())
        parts: Parts = {}
        for index, (size, head) in enumerate(zip(self.sizes, self.heads, strict=True)):
            logits, target = head(hidden), batch.targets[..., index][batch.mask]
            value = nn.functional.cross_entropy(logits, target)
            total = total + value
            parts[f"loss_{size}"] = value.detach()
            parts[f"accuracy_{size}"] = (logits.argmax(dim=-1) == target).float().mean().detach()
        return total, parts
