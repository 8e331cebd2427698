"""wav2vec 2.0's CNN: samples to latents (Baevski et al. 2020, section 2).

The weights are those of transformers' feature encoder. On a CPU, a CNN with layer norm after every
convolution runs frame by frame as matrix products instead: transformers transposes back and forth
around every norm, and a third of the step's time is spent on values in an order that suits
nothing. Results are the same up to rounding (tests/model/test_cnn.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def latents_of(feature_extractor: Any, samples: Tensor) -> Tensor:
    """Return the latents [B, T', D] of samples [B, T].

    feature_extractor: transformers' Wav2Vec2FeatureEncoder.
    """
    if samples.device.type != "cpu" or not _norms_frames(feature_extractor):
        latents: Tensor = feature_extractor(samples).transpose(1, 2)
        return latents
    hidden = samples[..., None]
    for layer in feature_extractor.conv_layers:
        hidden = layer.activation(layer.layer_norm(convolve(layer.conv, hidden)))
    return hidden


def _norms_frames(feature_extractor: Any) -> bool:
    norms = [getattr(layer, "layer_norm", None) for layer in feature_extractor.conv_layers]
    return all(isinstance(norm, nn.LayerNorm) for norm in norms)


def convolve(conv: nn.Conv1d, given: Tensor) -> Tensor:
    """Return the convolution over time of [B, T, C], frames first: [B, T', C'].

    As many taps as the stride is wide are neighbours in memory and one matrix product, clip by
    clip: products over all frames of a batch at once are slower. No padding, dilation or groups.
    """
    (taps,), (stride,) = conv.kernel_size, conv.stride
    batch, length, channels = given.shape
    frames = (length - taps) // stride + 1
    weight = conv.weight.permute(2, 1, 0)  # [taps, C, C']
    at_once = taps if channels == 1 else stride  # the samples' own taps are too few to be split
    found = None if conv.bias is None else conv.bias[None, None]
    for first in range(0, taps, at_once):
        width = min(at_once, taps - first)
        if width == stride:
            part = given[:, first : first + frames * stride]
        else:
            part = given[:, first:].unfold(1, width, stride)[:, :frames].transpose(2, 3)
        part = part.reshape(batch, frames, width * channels)
        own = weight[first : first + width].flatten(0, 1).expand(batch, -1, -1)
        found = torch.bmm(part, own) if found is None else torch.baddbmm(found, part, own)
    assert found is not None
    return found
