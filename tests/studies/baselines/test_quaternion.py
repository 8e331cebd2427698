"""Quaternion layers against the algebra, and the sizes of the networks made of them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from after_ser.studies.baselines.pyconvresnet import PyConv, PyConvResNet
from after_ser.studies.baselines.quaternion import (
    QuaternionConv2d,
    QuaternionConvTranspose2d,
    QuaternionLinear,
    hamilton_matrix,
    quaternion_init,
)
from after_ser.studies.baselines.quaternion_classifiers import build_classifier
from after_ser.studies.baselines.rh_emo_autoencoder import AutoEncoder

UNITS = ["1", "i", "j", "k"]
# i^2 = j^2 = k^2 = ijk = -1, written out as a table: row times column.
TABLE = {
    ("1", "1"): "1", ("1", "i"): "i", ("1", "j"): "j", ("1", "k"): "k",
    ("i", "1"): "i", ("i", "i"): "-1", ("i", "j"): "k", ("i", "k"): "-j",
    ("j", "1"): "j", ("j", "i"): "-k", ("j", "j"): "-1", ("j", "k"): "i",
    ("k", "1"): "k", ("k", "i"): "j", ("k", "j"): "-i", ("k", "k"): "-1",
}  # fmt: skip


def multiply(left: Tensor, right: Tensor) -> Tensor:
    """Multiply quaternions [4] by the table alone."""
    product = torch.zeros(4, dtype=left.dtype)
    for (a, b), unit in TABLE.items():
        sign = -1 if unit.startswith("-") else 1
        both = left[UNITS.index(a)] * right[UNITS.index(b)]
        product[UNITS.index(unit.removeprefix("-"))] += sign * both
    return product


def trainable(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_a_linear_layer_is_the_sum_of_hamilton_products():
    torch.manual_seed(0)
    layer = QuaternionLinear(8, 12).double()
    x = torch.randn(8, dtype=torch.float64)
    expected = torch.zeros(3, 4, dtype=torch.float64)
    for out in range(3):
        for q in range(2):
            expected[out] += multiply(layer.weight[:, out, q], x.view(4, 2)[:, q])
    torch.testing.assert_close(layer(x), expected.T.reshape(12) + layer.bias)


def test_the_norm_of_a_product_is_the_product_of_norms():
    weight, x = torch.randn(4, 1, 1, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    assert (hamilton_matrix(weight) @ x).norm().item() == pytest.approx(
        weight.norm().item() * x.norm().item()
    )


@pytest.mark.parametrize("kind", ["conv", "transposed"])
def test_a_quaternion_convolution_is_real_convolutions_of_its_parts(kind):
    torch.manual_seed(1)
    if kind == "conv":
        layer = QuaternionConv2d(8, 4, 3, stride=2, padding=1).double()

        def real(part: Tensor, kernel: Tensor) -> Tensor:
            return conv2d(part, kernel, stride=2, padding=1)
    else:
        layer = QuaternionConvTranspose2d(8, 4, (2, 1)).double()

        def real(part: Tensor, kernel: Tensor) -> Tensor:
            kernel = kernel.transpose(0, 1)
            return conv_transpose2d(part, kernel, None, (2, 1), 1, output_padding=(1, 0))

    x = torch.randn(2, 8, 6, 5, dtype=torch.float64)
    nn.init.normal_(layer.bias)
    parts = x.split(2, dim=1)
    expected = [0.0] * 4
    for (a, b), unit in TABLE.items():
        sign = -1 if unit.startswith("-") else 1
        term = real(parts[UNITS.index(b)], layer.weight[UNITS.index(a)])
        expected[UNITS.index(unit.removeprefix("-"))] += sign * term
    torch.testing.assert_close(layer(x), torch.cat(expected, 1) + layer.bias.view(1, 4, 1, 1))


def test_a_transposed_convolution_multiplies_the_size():
    assert QuaternionConvTranspose2d(4, 8, (2, 1))(torch.randn(1, 4, 5, 7)).shape == (1, 8, 10, 7)


def test_weights_start_with_the_variance_of_he():
    torch.manual_seed(2)
    weight = quaternion_init((64, 200), fan_in=200)
    assert weight.square().sum(0).mean().item() == pytest.approx(4 / (2 * 200), rel=0.03)
    layer = QuaternionLinear(800, 256)
    x = torch.randn(200, 800)
    assert layer(x).square().mean().item() == pytest.approx(2.0, rel=0.1)


def test_channels_that_are_no_quaternions_are_an_error():
    with pytest.raises(ValueError, match="6 to 8 channels"):
        QuaternionConv2d(6, 8, 3)


@pytest.mark.parametrize(("depth", "millions"), [("50", 22.83), ("101", 40.29), ("152", 54.62)])
def test_pyconvresnet_has_the_published_size(depth, millions):
    with torch.device("meta"):
        network = PyConvResNet(4, depth)
    assert round(trainable(network) / 1e6, 2) == millions
    assert network.head.in_features == 8192
    assert network.stem[0].in_channels == 1


@pytest.mark.parametrize(
    ("name", "millions"), [("alexnet", 14.3), ("vgg16", 41.5), ("resnet50", 5.9)]
)
def test_quaternion_classifiers_have_the_published_size(name, millions):
    with torch.device("meta"):
        network = build_classifier(name, 4)
    assert round(trainable(network) / 1e6, 1) == millions


def test_rh_emo_autoencoder_has_the_published_size():
    with torch.device("meta"):
        model = AutoEncoder(4)
        without = AutoEncoder(4, ratings=False)
    assert trainable(model.encoder) == 256
    assert round(trainable(model) / 1e6, 1) == 134.3
    assert trainable(model) - trainable(without) == 3 * (2 * (4096**2 + 4096) + 4097)


@pytest.mark.parametrize("size", [(128, 400), (64, 97), (40, 30), (128, 1)])
def test_pyconvresnet_takes_spectrograms_of_any_size(size):
    torch.manual_seed(0)
    network = PyConvResNet(3, "small", 0.125).eval()
    assert network(torch.randn(2, 1, *size)).shape == (2, 3)


def test_levels_of_a_pyramid_see_their_groups_of_channels():
    layer = PyConv(64, 64, ((9, 16, 0.25), (7, 8, 0.25), (5, 4, 0.25), (3, 1, 0.25)), 1)
    shapes = [tuple(level.weight.shape) for level in layer.levels]
    assert shapes == [(16, 4, 9, 9), (16, 8, 7, 7), (16, 16, 5, 5), (16, 64, 3, 3)]
    assert layer(torch.randn(1, 64, 12, 5)).shape == (1, 64, 12, 5)


@pytest.mark.parametrize("name", ["alexnet", "resnet50", "small"])
def test_quaternion_classifiers_read_embeddings(name):
    torch.manual_seed(0)
    with torch.no_grad():
        logits = build_classifier(name, 5).eval()(torch.randn(2, 4, 64, 64))
    assert logits.shape == (2, 5)
    assert not np.isclose(*logits.numpy()).all()
