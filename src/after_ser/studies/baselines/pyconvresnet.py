"""PyConvResNet (Duta et al. 2020, "Pyramidal Convolution") as LSSED's benchmark uses it.

Every 3x3 convolution of a ResNet bottleneck becomes a pyramid of parallel grouped convolutions:
large kernels see few input channels each (many groups), small ones all of them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

#: Per stage the levels of its pyramid: (kernel, groups, share of the output channels), Duta et
#: al. 2020, Table 1.
PYRAMIDS = (
    ((9, 16, 0.25), (7, 8, 0.25), (5, 4, 0.25), (3, 1, 0.25)),
    ((7, 8, 0.5), (5, 4, 0.25), (3, 1, 0.25)),
    ((5, 4, 0.5), (3, 1, 0.5)),
    ((3, 1, 1.0),),
)
#: Bottleneck blocks per stage by depth; "small" is ours, for runs without a GPU.
DEPTHS = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3), "small": (1, 1, 1, 1)}
EXPANSION = 4  # a bottleneck's output channels over its inner ones
BANDS = 4  # the map is averaged to 4 x 1 before the classifier: four bands, all of the time
STEM = 64  # channels of the first convolution at width 1


class PyConv(nn.Module):
    """Parallel grouped convolutions of different kernels; their outputs are concatenated.

    Groups are lowered to what divides the channels, which matters for narrow variants only.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        levels: tuple[tuple[int, int, float], ...],
        stride: int,
    ) -> None:
        """Make one convolution per level (kernel, groups, share of channels_out)."""
        super().__init__()
        self.levels = nn.ModuleList()
        for kernel, groups, share in levels:
            width = round(channels_out * share)
            self.levels.append(
                nn.Conv2d(
                    channels_in,
                    width,
                    kernel,
                    stride=stride,
                    padding=kernel // 2,
                    groups=math.gcd(groups, math.gcd(channels_in, width)),
                    bias=False,
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, channels_out, H/stride, W/stride] of [B, channels_in, H, W]."""
        return torch.cat([level(x) for level in self.levels], dim=1)


class Bottleneck(nn.Module):
    """1x1, pyramid, 1x1, each with batch norm, plus the shortcut.

    The network has no max-pooling of its own: where the stride is 2, the shortcut is max-pooled
    (3x3) before its 1x1 projection.
    """

    def __init__(
        self,
        channels_in: int,
        planes: int,
        levels: tuple[tuple[int, int, float], ...],
        stride: int,
    ) -> None:
        """Make a block of `planes` inner and 4 `planes` outer channels."""
        super().__init__()
        channels_out = planes * EXPANSION
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, planes, 1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(inplace=True),
            PyConv(planes, planes, levels, stride),
            nn.BatchNorm2d(planes),
            nn.ReLU(inplace=True),
            nn.Conv2d(planes, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        shortcut: list[nn.Module] = []
        if stride != 1:
            shortcut.append(nn.MaxPool2d(3, stride=stride, padding=1))
        if stride != 1 or channels_in != channels_out:
            shortcut += [
                nn.Conv2d(channels_in, channels_out, 1, bias=False),
                nn.BatchNorm2d(channels_out),
            ]
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, 4 planes, H/stride, W/stride] of [B, channels_in, H, W]."""
        summed: Tensor = self.body(x) + self.shortcut(x)
        return torch.relu(summed)


class PyConvResNet(nn.Module):
    """A one-channel PyConvResNet as LSSED has it (Fan et al. 2021): 4 bands x 1 before the head.

    depth: a key of DEPTHS. width: multiplies every number of channels (1 is the published size;
    times 64 it must be a multiple of 4). At width 1 and 4 classes, depths 50, 101 and 152 have
    22.83, 40.29 and 54.62 million parameters.
    """

    def __init__(self, classes: int, depth: str = "50", width: float = 1.0) -> None:
        """Make the network with torch's global generator."""
        super().__init__()
        stem = round(STEM * width)
        self.stem = nn.Sequential(
            nn.Conv2d(1, stem, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
        )
        blocks: list[nn.Module] = []
        channels = stem
        for stage, (repeats, levels) in enumerate(zip(DEPTHS[depth], PYRAMIDS, strict=True)):
            planes = stem * 2**stage
            for index in range(repeats):
                blocks.append(Bottleneck(channels, planes, levels, 2 if index == 0 else 1))
                channels = planes * EXPANSION
        self.stages = nn.Sequential(*blocks)
        self.head = nn.Linear(channels * BANDS, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [B, classes] of spectrograms [B, 1, bins, frames] of any size."""
        pooled = adaptive_avg_pool2d(self.stages(self.stem(x)), (BANDS, 1))
        logits: Tensor = self.head(pooled.flatten(1))
        return logits
