"""wav2vec 2.0's own objective: contrastive with sampled negatives, and code-book diversity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from after_ser.learn.tapt.masking import negatives_of_part, sample_negatives
from after_ser.learn.tapt.objectives.base import (
    ModelOutput,
    Objective,
    Parts,
    code_distribution,
    perplexity,
)

if TYPE_CHECKING:
    from after_ser.learn.tapt.masked_batch import MaskedBatch
    from after_ser.model.families.base import Pretraining


class Wav2Vec2Own(Objective):
    """Sampled InfoNCE + weight x (codes - perplexity) / codes; number and weights by the config.

    (100 negatives from the masked frames of the same clip, temperature 0.1, weight 0.1.) It is
    transformers' loss divided by the number of masked frames. It is computed here, because
    transformers returns no loss at all unless the caller samples the negatives. Diversity is
    measured over all masked frames of a step, also where the step is made in parts.
    """

    of_all_codes = True

    def __init__(self, model: Pretraining, temperature: float = 0.1) -> None:
        """Has no weights; its temperature is the checkpoint's own, not Eq. 1's `temperature`."""
        super().__init__()
        config = model.quantiser.config
        self.negatives = int(config.num_negatives)
        self.temperature = float(config.contrastive_logits_temperature)
        self.weight = float(config.diversity_loss_weight)

    def loss(self, output: ModelOutput, batch: MaskedBatch) -> tuple[Tensor, Parts]:
        """Return the mean over masked frames."""
        drawn = self._negatives(batch)
        picked = torch.from_numpy(drawn).to(output.quantised.device)
        positive = output.quantised[batch.mask].float()  # [M, P]
        negative = output.quantised.flatten(0, 1).float()[picked]  # [M, K, P]
        candidates = torch.cat([positive[:, None], negative], dim=1)
        context = output.context[batch.mask].float()
        logits = torch.cosine_similarity(context[:, None], candidates, dim=-1) / self.temperature
        # a negative with the code of the positive is none
        same = (negative == positive[:, None]).all(dim=-1)
        logits = torch.cat([logits[:, :1], logits[:, 1:].masked_fill(same, float("-inf"))], dim=1)
        right = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
        contrastive = nn.functional.cross_entropy(logits, right)
        total = output.code_logits.shape[-1] * output.code_logits.shape[-2]
        diversity = (total - _perplexity(output, batch)) / total
        value = contrastive + self.weight * diversity
        return value, {"contrastive": contrastive.detach(), "diversity": diversity.detach()}

    def _negatives(self, batch: MaskedBatch) -> np.ndarray:
        seed = (*batch.seed, "negatives")
        if batch.whole is None:
            return sample_negatives(batch.mask_array, self.negatives, *seed)
        clips = len(batch.mask_array)
        return negatives_of_part(batch.whole.mask, batch.whole.first, clips, self.negatives, *seed)


def _perplexity(output: ModelOutput, batch: MaskedBatch) -> Tensor:
    """Return that of all codes of the step, with the gradient of this part's share in it."""
    mean = code_distribution(output.code_logits, batch.mask)
    if batch.whole is not None and batch.whole.codes is not None:
        mean = mean + (batch.whole.codes - mean).detach()
    return perplexity(mean)
