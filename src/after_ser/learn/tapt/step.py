"""The gradient of one optimiser step, made at once or in parts that add up to it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from after_ser.core.seeding import derive_seed
from after_ser.learn.tapt.forward import code_scores, masked_forward
from after_ser.learn.tapt.masked_batch import MaskedBatch
from after_ser.learn.tapt.objectives.base import (
    Objective,
    Parts,
    code_counts,
    code_distribution,
    perplexity,
)
from after_ser.learn.tapt.processes import Team
from after_ser.model.families.base import Pretraining


class MaskedLoss(nn.Module):
    """Model and objective as one module that returns the loss, as processes that share it need."""

    def __init__(self, model: Pretraining, objective: Objective, bf16: bool) -> None:
        """`bf16`: the model's forward pass is in bf16, the objective never."""
        super().__init__()
        self.pretraining, self.bf16 = model, bf16
        self.model, self.objective = model.module, objective

    def forward(self, batch: MaskedBatch, temperature: float) -> tuple[Tensor, Parts, Tensor]:
        """Return the loss, its named parts, and the codes' shares [2, G, V]: best and mean.

        All are means over the batch's masked frames; only the loss has a gradient. Without codes
        the last one is empty.
        """
        codes = self.objective.reads_codes
        with self.autocast(batch):
            output = masked_forward(self.pretraining, batch, temperature, codes)
        loss, parts = self.objective.loss(output, batch)
        if not codes:
            return loss, parts, loss.detach().new_empty(0)
        with torch.no_grad():
            vocabulary = output.code_logits.shape[-1]
            best = code_counts(output.codes, batch.mask, vocabulary)
            mean = code_distribution(output.code_logits, batch.mask)
        return loss, parts, torch.stack([best, mean])

    def autocast(self, batch: MaskedBatch) -> torch.autocast | nullcontext[None]:
        """Return the context that the model runs in."""
        kind = batch.waveforms.device.type
        return torch.autocast(kind, torch.bfloat16) if self.bf16 else nullcontext()


def parts_of(batch: MaskedBatch, team: Team, accumulation: int) -> list[tuple[MaskedBatch, float]]:
    """Return this process's parts of a step's batch and their shares of its masked frames.

    The step has `accumulation` parts per process, of whole clips, or as many as it has clips;
    the shares of all processes add up to 1. A process that gets no clip takes one for nothing
    (share 0), since all have to take part in the step.
    """
    clips, wanted = len(batch.utts), team.count * accumulation
    if wanted == 1:
        return [(batch, 1.0)]
    count = min(wanted, clips)
    edges = [clips * index // count for index in range(count + 1)]
    masked = int(batch.mask_array.sum())
    parts = []
    for index in range(team.number, count, team.count):
        part = batch.part(slice(edges[index], edges[index + 1]))
        parts.append((part, int(part.mask_array.sum()) / masked))
    return parts or [(batch.part(slice(0, 1)), 0.0)]


def add_gradients(
    module: nn.Module, masked: MaskedLoss, parts: list[tuple[MaskedBatch, float]], team: Team,
    temperature: float,
) -> dict[str, float]:  # fmt: skip
    """Add the step's gradient to the weights', and return the step's loss and its parts.

    `module` is `masked` as the team has wrapped it. The losses are means over masked frames, so
    a part counts by its share of them.
    """
    if masked.objective.of_all_codes and parts[0][0].whole is not None:
        parts = _knowing_all_codes(masked, parts, team)
    totals: Tensor | None = None
    for index, (part, share) in enumerate(parts):
        part = part.to(team.device)
        _seed(part)
        with team.part(module, last=index == len(parts) - 1):
            loss, named, codes = module(part, temperature)
            team.backward(loss, share)
        found = torch.cat([torch.stack([loss.detach(), *named.values()]), codes.flatten()]) * share
        totals = found if totals is None else totals + found
    assert totals is not None
    totals = team.sum(totals)
    row = dict(zip(["loss", *named], totals.tolist(), strict=False))
    if codes.numel():
        best, mean = totals[len(row) :].view_as(codes)
        row |= {"perplexity": float(perplexity(best)), "perplexity_soft": float(perplexity(mean))}
    return row


def _knowing_all_codes(
    masked: MaskedLoss, parts: list[tuple[MaskedBatch, float]], team: Team
) -> list[tuple[MaskedBatch, float]]:
    """Tell every part the codes of the whole step, for which the CNN runs twice."""
    found = []
    with torch.no_grad():
        for part, share in parts:
            part = part.to(team.device)
            _seed(part)
            with masked.autocast(part):
                scores = code_scores(masked.pretraining, part)
            found.append(code_distribution(scores, part.mask) * share)
        codes = team.sum(torch.stack(found).sum(dim=0))
    return [
        (replace(part, whole=replace(part.whole, codes=codes)), share)  # type: ignore[type-var]
        for part, share in parts
    ]


def _seed(batch: MaskedBatch) -> None:
    """Seed the draws that are made by part: dropout and LayerDrop."""
    own = () if batch.whole is None else ("part", batch.whole.first)
    torch.manual_seed(derive_seed(*batch.seed, *own))
