"""wav2vec, version 1 (Schneider, Baevski, Collobert and Auli 2019): CNN and aggregator.

Its "large" shape as released: 5.78 M weights in the CNN, 23.61 M in the aggregator. What
predicts future frames in its own training is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from after_ser.model.geometry import Geometry

FEATURE_KERNELS = (10, 8, 4, 4, 4, 1, 1)
FEATURE_STRIDES = (5, 4, 2, 2, 2, 1, 1)  # 160 samples: a frame every 10 ms
RESIDUAL_SCALE = math.sqrt(0.5)


@dataclass(frozen=True)
class Shape:
    """Channels of every layer, and the kernels of the aggregator's layers."""

    channels: int = 512
    aggregator: tuple[int, ...] = tuple(range(2, 14))

    @property
    def geometry(self) -> Geometry:
        """Return kernels and strides of the CNN; the aggregator has a stride of 1."""
        return Geometry(FEATURE_KERNELS, FEATURE_STRIDES)


LARGE = Shape()


class Features(nn.Module):
    """The CNN: samples [B, S] to latents [B, C, T], log-compressed."""

    def __init__(self, shape: Shape) -> None:
        """Draw the weights at random."""
        super().__init__()
        inputs = [1, *[shape.channels] * (len(FEATURE_KERNELS) - 1)]
        self.convs = nn.ModuleList(
            nn.Conv1d(width, shape.channels, kernel, stride, bias=False)
            for width, kernel, stride in zip(inputs, FEATURE_KERNELS, FEATURE_STRIDES, strict=True)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(1, shape.channels) for _ in FEATURE_KERNELS)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Norms are over channels and time: a padded clip would get other latents."""
        hidden = waveforms[:, None]
        for conv, norm in zip(self.convs, self.norms, strict=True):
            hidden = torch.relu(norm(conv(hidden)))
        return torch.log1p(hidden.abs())


class Aggregator(nn.Module):
    """Causal convolutions with skip connections: latents [B, C, T] to contexts [B, C, T]."""

    def __init__(self, shape: Shape) -> None:
        """Draw the weights at random."""
        super().__init__()
        self.kernels = shape.aggregator
        self.convs = nn.ModuleList(
            nn.Conv1d(shape.channels, shape.channels, kernel) for kernel in shape.aggregator
        )
        self.norms = nn.ModuleList(nn.GroupNorm(1, shape.channels) for _ in shape.aggregator)

    def forward(self, latents: Tensor) -> Tensor:
        """Pad on the left by repeating the first frame, so that no frame sees later ones."""
        hidden = latents
        for kernel, conv, norm in zip(self.kernels, self.convs, self.norms, strict=True):
            padded = nn.functional.pad(hidden, (kernel - 1, 0), mode="replicate")
            hidden = (torch.relu(norm(conv(padded))) + hidden) * RESIDUAL_SCALE
        return hidden


class Wav2Vec(nn.Module):
    """CNN and aggregator."""

    def __init__(self, shape: Shape) -> None:
        """Draw the weights at random."""
        super().__init__()
        self.shape = shape
        self.features = Features(shape)
        self.aggregator = Aggregator(shape)
