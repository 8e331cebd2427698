"""One masked forward pass through wav2vec 2.0, with everything an objective may need."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import Wav2Vec2ForPreTraining

from after_ser.backbone.cnn import latents_of
from after_ser.runtime.seeding import derive_seed
from after_ser.tapt.masked_batch import MaskedBatch
from after_ser.tapt.objectives.base import ModelOutput


def masked_forward(
    model: Wav2Vec2ForPreTraining, batch: MaskedBatch, temperature: float = 2.0, codes: bool = True
) -> ModelOutput:
    """Run CNN, quantiser and transformer on a batch whose masked frames the transformer misses.

    The steps are those of Wav2Vec2ForPreTraining.forward, called one by one, for three reasons:
    its output lacks the codes that Eq. 2 predicts; a checkpoint's `apply_spec_augment: false`
    would silently switch our masks off there; and its quantiser multiplies every frame with the
    whole code book (gigabytes at 250 s of audio). `temperature` is the Gumbel softmax's, used in
    training mode. A group-norm model gets no attention mask, as in its own training. Without
    `codes` the quantiser is left out.
    """
    encoder = model.wav2vec2
    features = latents_of(encoder.feature_extractor, batch.waveforms)
    hidden, unmasked = encoder.feature_projection(features)
    hidden = torch.where(batch.mask[..., None], encoder.masked_spec_embed.to(hidden.dtype), hidden)
    attention = batch.valid if model.config.feat_extract_norm == "layer" else None
    hidden = encoder.encoder(hidden, attention_mask=attention).last_hidden_state
    if not codes:
        none = hidden.new_empty(0)
        return ModelOutput(none, none, hidden, none, none)
    dropped = model.dropout_features(unmasked)
    quantised, logits = quantise(model.quantizer, dropped, temperature, batch)
    return ModelOutput(
        context=model.project_hid(hidden),
        quantised=model.project_q(quantised.to(model.project_q.weight.dtype)),
        hidden=hidden,
        code_logits=logits,
        codes=logits.detach().argmax(dim=-1),
    )


def code_scores(model: Wav2Vec2ForPreTraining, batch: MaskedBatch) -> Tensor:
    """Return the code scores [B, T, G, V] that `masked_forward` gives; there is no transformer."""
    features = latents_of(model.wav2vec2.feature_extractor, batch.waveforms)
    unmasked = model.wav2vec2.feature_projection(features)[1]
    return _scores(model.quantizer, model.dropout_features(unmasked))


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
