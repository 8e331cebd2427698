"""The CNN as matrix products is transformers' CNN: outputs and gradients."""

import pytest
import torch
from selfsupervised_clips import ARCH, GROUP_NORM
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2FeatureEncoder

from after_ser.model.families.wav2vec2_fast.cnn import convolve, latents_of
from after_ser.model.scratch import build_scratch

#: Kernel and stride of every published wav2vec 2.0's layers, and odd ones.
SHAPES = [(1, 10, 5), (1, 20, 10), (6, 3, 2), (6, 2, 2), (6, 4, 2), (6, 8, 4), (6, 7, 3), (6, 5, 1)]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("channels", "taps", "stride"), SHAPES)
def test_a_convolution_is_torchs(channels, taps, stride, bias):
    torch.manual_seed(taps)
    conv = torch.nn.Conv1d(channels, 5, taps, stride, bias=bias).double()
    for length in range(taps, taps + 3 * stride + 1):  # from one frame on, whatever is left over
        given = torch.randn(3, length, channels, dtype=torch.float64, requires_grad=True)
        own, theirs = convolve(conv, given), conv(given.transpose(1, 2)).transpose(1, 2)
        torch.testing.assert_close(own, theirs)
        weights = torch.randn_like(own)
        wanted = (given, *conv.parameters())
        for mine, other in zip(
            torch.autograd.grad(own, wanted, weights),
            torch.autograd.grad(theirs, wanted, weights),
            strict=True,
        ):
            torch.testing.assert_close(mine, other)


def encoder(arch, **changes) -> Wav2Vec2FeatureEncoder:
    model = build_scratch(arch, 3).wav2vec2.feature_extractor
    if changes.get("bias"):
        for layer in model.conv_layers:
            layer.conv.bias = torch.nn.Parameter(torch.zeros(layer.conv.out_channels))
    with torch.no_grad():  # norms and biases of a new model are ones and zeros
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.train()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("samples", [[1, 16_000], [3, 16_337]])
def test_latents_and_gradients_with_layer_norm_are_transformers(samples, bias, monkeypatch):
    torch.manual_seed(1)
    model = encoder(ARCH, bias=bias)
    given = torch.randn(*samples)
    found = []
    for way in (latents_of, lambda module, values: module(values).transpose(1, 2)):
        model.zero_grad()
        latents = way(model, given)
        latents.square().mean().backward()
        found.append((latents.detach(), [p.grad.clone() for p in model.parameters()]))
    (own, own_grads), (theirs, their_grads) = found
    assert own.shape == theirs.shape
    torch.testing.assert_close(own, theirs, rtol=1e-4, atol=2e-5)
    assert len(own_grads) == len(list(model.parameters())) > 10
    scale = max(float(gradient.abs().max()) for gradient in their_grads)
    for mine, other in zip(own_grads, their_grads, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4 * scale)


def test_with_group_norm_it_is_transformers_own_code():
    model = encoder(GROUP_NORM)
    given = torch.randn(2, 8_000)
    assert torch.equal(latents_of(model, given), model(given).transpose(1, 2))


def test_with_layer_norm_transformers_code_does_not_run(monkeypatch):
    model = encoder(ARCH)
    monkeypatch.setattr(type(model), "forward", None)
    assert latents_of(model, torch.randn(1, 8_000)).shape[2] == ARCH["conv_dim"]


def test_under_autocast_it_is_in_bfloat16():
    torch.manual_seed(1)
    model = encoder(ARCH)
    given = torch.randn(2, 16_000)
    model.requires_grad_(False)
    plain = latents_of(model, given)
    with torch.autocast("cpu", torch.bfloat16):
        found = latents_of(model, given)
    assert found.dtype == torch.bfloat16
    # each layer rounds its weights, what it is given and what it makes, to 8 bits
    roundings = 3 * len(model.conv_layers)
    assert 0 < float((found.float() - plain).norm() / plain.norm()) < roundings * 2**-8
