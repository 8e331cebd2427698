"""What an objective is, and the sum of several (Eq. 3)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from after_ser.learn.tapt.masked_batch import MaskedBatch
    from after_ser.model.families.base import Pretraining


@dataclass
class ModelOutput:
    """What a forward pass gives every objective; B clips, T frames, G code-book groups of V codes.

    context     [B, T, P]     transformer outputs, projected (z^c of Eq. 1)
    quantised   [B, T, P]     quantised CNN outputs, projected (z^q of Eq. 1), with gradient
    hidden      [B, T, H]     transformer outputs
    code_logits [B, T, G, V]  the quantiser's scores of the codes, float32
    codes       [B, T, G]     the best code per group: the "tokens" of Eq. 2

    For an objective that reads no codes, all but `hidden` are empty.
    """

    context: Tensor
    quantised: Tensor
    hidden: Tensor
    code_logits: Tensor
    codes: Tensor


Parts = dict[str, Tensor]


class Objective(nn.Module, ABC):
    """A loss at masked frames; a module, because it may have weights of its own (Eq. 2's head)."""

    reads_codes = True
    #: Whether a term of the loss is no mean over masked frames but one of all codes of a step.
    of_all_codes = False

    def freeze(self, model: Pretraining) -> None:
        """Freeze what of `model` (in training mode) is not trained; by default all of it is."""

    @abstractmethod
    def loss(self, output: ModelOutput, batch: MaskedBatch) -> tuple[Tensor, Parts]:
        """Return the scalar to minimise and its named, detached parts for the log.

        Only masked frames count, none of which is padding. Loss and parts have to be means over
        them, so that those of a step's parts, weighted by their masked frames, add up to the
        step's; a term that is none sets `of_all_codes` and reads `batch.whole.codes`.
        """


class Sum(Objective):
    """Eq. 3: the plain sum of its parts."""

    def __init__(self, parts: Sequence[Objective]) -> None:
        """`parts` in the order in which their parts are logged."""
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.of_all_codes = any(part.of_all_codes for part in parts)

    def loss(self, output: ModelOutput, batch: MaskedBatch) -> tuple[Tensor, Parts]:
        """Add the losses up; the names of parts do not collide between objectives."""
        total: Tensor = output.context.new_zeros(())
        named: Parts = {}
        for part in self.parts:
            value, more = part.loss(output, batch)  # type: ignore[operator]
            total = total + value
            named |= more
        return total, named


def soft_perplexity(code_logits: Tensor, mask: Tensor) -> Tensor:
    """Return the perplexity of the mean code distribution at masked frames, summed over groups.

    The measure in wav2vec 2.0's diversity loss; at most G x V. `code_logits` [B, T, G, V].
    """
    return perplexity(code_distribution(code_logits, mask))


def hard_perplexity(codes: Tensor, mask: Tensor, vocabulary: int) -> Tensor:
    """Return the perplexity of the chosen codes at masked frames, summed over groups.

    G where the code book has collapsed to one code per group. `codes` [B, T, G].
    """
    return perplexity(code_counts(codes, mask, vocabulary))


def code_distribution(code_logits: Tensor, mask: Tensor) -> Tensor:
    """Return the mean distribution of the codes at masked frames, [G, V]."""
    return code_logits[mask].softmax(dim=-1).mean(dim=0)


def code_counts(codes: Tensor, mask: Tensor, vocabulary: int) -> Tensor:
    """Return how often each code is the best one at masked frames, as shares, [G, V]."""
    return nn.functional.one_hot(codes[mask], vocabulary).float().mean(dim=0)


def perplexity(mean: Tensor) -> Tensor:
    """Return the perplexity of distributions [G, V], summed over groups."""
    return torch.exp(-torch.xlogy(mean, mean).sum(dim=-1)).sum()
