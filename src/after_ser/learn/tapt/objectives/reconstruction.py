"""Eq. 2: predict the code of a masked frame, as BERT predicts a masked token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from after_ser.learn.tapt.objectives.base import ModelOutput, Objective, Parts

if TYPE_CHECKING:
    from after_ser.learn.tapt.masked_batch import MaskedBatch
    from after_ser.model.families.base import Pretraining


class Reconstruction(Objective):
    """Cross-entropy of the quantiser's code at masked frames, per code-book group, summed.

    The tokens are the quantiser's best codes of the unmasked CNN output, without its training
    noise and without gradient, so the code book cannot make itself easy to predict. The linear
    head belongs to the objective: it is not part of the checkpoint that fine-tuning starts from.
    """

    def __init__(self, model: Pretraining, temperature: float = 0.1) -> None:
        """Make the head: transformer width -> groups x codes. Eq. 2 has no temperature."""
        super().__init__()
        config = model.quantiser.config
        self.groups = int(config.num_codevector_groups)
        self.codes = int(config.num_codevectors_per_group)
        self.head = nn.Linear(model.body.width, self.groups * self.codes)

    def loss(self, output: ModelOutput, batch: MaskedBatch) -> tuple[Tensor, Parts]:
        """Return the mean over masked frames, with the share of codes predicted right."""
        logits = self.head(output.hidden[batch.mask].float())
        logits = logits.view(-1, self.groups, self.codes)
        target = output.codes[batch.mask].detach()
        value = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten()) * self.groups
        right = (logits.argmax(dim=-1) == target).float().mean()
        return value, {"eq2": value.detach(), "eq2_accuracy": right.detach()}
