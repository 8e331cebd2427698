"""One masked forward pass, with everything an objective may need, and the quantiser's codes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from after_ser.core.seeding import derive_seed
from after_ser.learn.tapt.masked_batch import MaskedBatch
from after_ser.learn.tapt.objectives.base import ModelOutput
from after_ser.model.families.base import Pretraining


def masked_forward(
    model: Pretraining, batch: MaskedBatch, temperature: float = 2.0, codes: bool = True
) -> ModelOutput:
    """Run stem, quantiser and transformer on a batch whose masked frames the transformer misses.

    With a quantiser the steps are those of Wav2Vec2ForPreTraining.forward, called one by one, for
    three reasons: its output lacks the codes that Eq. 2 predicts; a checkpoint's
    `apply_spec_augment: false` would silently switch our masks off there; and its quantiser
    multiplies every frame with the whole code book (gigabytes at 250 s of audio). `temperature` is
    the Gumbel softmax's, used in training mode. Without `codes` the quantiser is left out.
    """
    projected, unmasked = model.project(model.latents(batch.waveforms))
    hidden = masked(model, projected, batch.mask)
    hidden = model.body.last(hidden, model.attended(batch.valid))
    if not codes:
        none = hidden.new_empty(0)
        return ModelOutput(none, none, hidden, none, none)
    own = model.quantiser
    dropped = own.dropout_features(unmasked)
    quantised, logits = quantise(own.quantizer, dropped, temperature, batch)
    return ModelOutput(
        context=own.project_hid(hidden),
        quantised=own.project_q(quantised.to(own.project_q.weight.dtype)),
        hidden=hidden,
        code_logits=logits,
        codes=logits.detach().argmax(dim=-1),
    )


def masked(model: Pretraining, projected: Tensor, mask: Tensor) -> Tensor:
    """Return projected latents [B, T, H] with the mask embedding where `mask` [B, T] is True."""
    embedding = model.body.mask_embedding
    assert embedding is not None
    return torch.where(mask[..., None], embedding.to(projected.dtype), projected)


def code_scores(model: Pretraining, batch: MaskedBatch) -> Tensor:
    """Return the code scores [B, T, G, V] that `masked_forward` gives; there is no transformer."""
    unmasked = model.project(model.latents(batch.waveforms))[1]
    return _scores(model.quantiser.quantizer, model.quantiser.dropout_features(unmasked))


def quantise(
    quantizer: Any, features: Tensor, temperature: float, batch: MaskedBatch | None = None
) -> tuple[Tensor, Tensor]:
    """Return code vectors [B, T, codevector_dim] and code scores [B, T, G, V] of `features`.

    In training, codes are drawn by a straight-through Gumbel softmax; otherwise the best is taken.
    Where `batch` is a part of a step's, its draws are the rows of the whole's.
    """
    logits = _scores(quantizer, features)
    groups, codes = logits.shape[-2:]
    if quantizer.training and batch is not None and batch.whole is not None:
        soft = ((logits + _gumbel_noise(logits, batch)) / temperature).softmax(dim=-1)
        hard = nn.functional.one_hot(soft.argmax(dim=-1), codes).to(soft.dtype)
        chosen = hard - soft.detach() + soft
    elif quantizer.training:
        chosen = nn.functional.gumbel_softmax(logits, tau=temperature, hard=True)
    else:
        chosen = nn.functional.one_hot(logits.argmax(dim=-1), codes).to(logits.dtype)
    book = quantizer.codevectors.view(groups, codes, -1)
    # one matrix product per group: [B, T, V] x [V, d]
    vectors = [chosen[:, :, group] @ book[group] for group in range(groups)]
    return torch.cat(vectors, dim=-1), logits


def _scores(quantizer: Any, features: Tensor) -> Tensor:
    shape = (quantizer.num_groups, quantizer.num_vars)
    return quantizer.weight_proj(features).float().unflatten(-1, shape)


def _gumbel_noise(logits: Tensor, batch: MaskedBatch) -> Tensor:
    """Return the part's rows of the Gumbel noise of the whole step.

    It is what a step in one part draws, if nothing else (dropout, LayerDrop) draws before.
    """
    assert batch.whole is not None
    generator = torch.Generator(logits.device).manual_seed(derive_seed(*batch.seed))
    drawn = logits.new_empty((len(batch.whole.mask), *logits.shape[1:]))
    drawn.exponential_(generator=generator)
    return -drawn[batch.whole.first : batch.whole.first + len(logits)].log()
