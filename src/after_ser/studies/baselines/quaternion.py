"""Quaternion layers: convolution, transposed convolution and linear map by the Hamilton product.

Gaudet & Maida 2018 ("Deep Quaternion Networks"), Parcollet et al. 2019 ("Quaternion Recurrent
Neural Networks"). C real channels are C/4 quaternions; the first quarter of the channels holds the
real parts, then those of i, j and k. A layer has a quarter of the weights of a real one, and a
real bias per channel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, linear


def hamilton_matrix(weight: Tensor) -> Tensor:
    """Return the real weights [4 out, 4 in, ...] of quaternions `weight` [4, out, in, ...].

    Multiplying channels by them is w x (Hamilton product, the weight on the left), with
    i^2 = j^2 = k^2 = ijk = -1.
    """
    r, i, j, k = weight.unbind(0)
    rows = (
        torch.cat((r, -i, -j, -k), dim=1),
        torch.cat((i, r, -k, j), dim=1),
        torch.cat((j, k, r, -i), dim=1),
        torch.cat((k, -j, i, r), dim=1),
    )
    return torch.cat(rows, dim=0)


def quaternion_init(shape: tuple[int, ...], fan_in: int) -> Tensor:
    """Return weights [4, *shape] in polar form (Parcollet et al. 2019, Eq. 8 to 10).

    The magnitude follows a chi distribution with four degrees of freedom, the phase is uniform,
    the imaginary axis random. Its scale is 1/sqrt(2 fan_in) (He), fan_in in quaternions, so that
    the mean square of each component is doubled, and kept by a ReLU behind it.
    """
    magnitude = torch.randn(4, *shape).norm(dim=0) / math.sqrt(2 * fan_in)
    axis = torch.randn(3, *shape)
    axis = axis / axis.norm(dim=0).clamp(min=1e-12)
    phase = (2 * torch.rand(shape) - 1) * math.pi
    imaginary = magnitude * phase.sin() * axis
    return torch.cat(((magnitude * phase.cos()).unsqueeze(0), imaginary))


class _Quaternion(nn.Module):
    """Weights [4, out/4, in/4, *kernel] and a real bias [out]."""

    def __init__(self, size_in: int, size_out: int, kernel: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        if size_in % 4 or size_out % 4:
            raise ValueError(
                f"quaternion layer: {size_in} to {size_out} channels, expected multiples of 4"
            )
        shape = (size_out // 4, size_in // 4, *kernel)
        self.weight = nn.Parameter(quaternion_init(shape, size_in // 4 * math.prod(kernel)))
        self.bias = nn.Parameter(torch.zeros(size_out)) if bias else None


class QuaternionLinear(_Quaternion):
    """w x + b of vectors of in/4 quaternions; a quarter of the weights of nn.Linear."""

    def __init__(self, size_in: int, size_out: int, bias: bool = True) -> None:
        """Make a layer between numbers of real components, multiples of 4."""
        super().__init__(size_in, size_out, (), bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., out] of [..., in]."""
        return linear(x, hamilton_matrix(self.weight), self.bias)


class QuaternionConv2d(_Quaternion):
    """A convolution whose kernel and map are quaternions."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        """Make a layer between numbers of real channels, multiples of 4."""
        super().__init__(channels_in, channels_out, (kernel, kernel), bias)
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, out, H', W'] of [B, in, H, W], sizes as those of nn.Conv2d."""
        return conv2d(x, hamilton_matrix(self.weight), self.bias, self.stride, self.padding)


class QuaternionConvTranspose2d(_Quaternion):
    """A 3x3 transposed quaternion convolution that multiplies height and width by `stride`."""

    def __init__(self, channels_in: int, channels_out: int, stride: tuple[int, int]) -> None:
        """Make a layer between numbers of real channels, multiples of 4."""
        super().__init__(channels_in, channels_out, (3, 3), bias=True)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, out, H stride[0], W stride[1]] of [B, in, H, W]."""
        return conv_transpose2d(
            x,
            hamilton_matrix(self.weight).transpose(0, 1),  # torch wants [in, out, kernel]
            self.bias,
            self.stride,
            padding=1,
            output_padding=(self.stride[0] - 1, self.stride[1] - 1),
        )
