"""Quaternion AlexNet, VGG16 and ResNet50, which classify RH-emo's embeddings, and a small one.

The layouts are those of Krizhevsky 2014 ("One weird trick"), Simonyan & Zisserman 2015 and He et
al. 2016 with quaternion layers for real ones and ReLU on each component. Batch norm is per channel,
not the whitening of Gaudet & Maida; the last layer is real, since classes are no multiple of four.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from after_ser.studies.baselines.quaternion import QuaternionConv2d, QuaternionLinear

#: (Convolutions, channels) per stage; blocks per stage.
_VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
_RESNET50 = (3, 4, 6, 3)


def build_classifier(name: str, classes: int) -> nn.Module:
    """Return the network `name` (a key of NETWORKS): [B, 4, 64, 64] to logits [B, classes]."""
    return NETWORKS[name](classes)


def alexnet(classes: int) -> nn.Module:
    """Return the quaternion AlexNet: 14.3 million parameters at four classes."""
    return nn.Sequential(
        QuaternionConv2d(4, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        QuaternionConv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        QuaternionConv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        QuaternionConv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        QuaternionConv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d(6),
        nn.Flatten(),
        *_dense(256 * 6 * 6, classes),
    )


def vgg16(classes: int) -> nn.Module:
    """Return the quaternion VGG16: 41.5 million parameters at four classes.

    That number fits a last map of 512 x 8 x 8 (or 16 x 4, that of a real VGG16 on 512 x 128), not
    the usual 7 x 7, so that the map is pooled to 8 x 8 here.
    """
    layers: list[nn.Module] = []
    channels = 4
    for repeats, width in _VGG16:
        for _ in range(repeats):
            layers += [QuaternionConv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    pooled = (nn.AdaptiveAvgPool2d(8), nn.Flatten())
    return nn.Sequential(*layers, *pooled, *_dense(channels * 8 * 8, classes))


def resnet50(classes: int) -> nn.Module:
    """Return the quaternion ResNet50: 5.9 million parameters at four classes."""
    layers: list[nn.Module] = [
        QuaternionConv2d(4, 64, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, padding=1),
    ]
    channels = 64
    for stage, repeats in enumerate(_RESNET50):
        planes = 64 * 2**stage
        for index in range(repeats):
            layers.append(_Bottleneck(channels, planes, 2 if stage and index == 0 else 1))
            channels = planes * 4
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)
    )


def small(classes: int) -> nn.Module:
    """Return a quaternion network of three convolutions (ours), for runs without a GPU.

    Each axis is normalised first: embeddings of short pre-training are nearly constant. The largest
    value over time in each of eight bands is classified, because a mean over a segment would be
    little of a short clip's sound and much of the silence behind it.
    """
    layers: list[nn.Module] = [nn.BatchNorm2d(4, momentum=None)]  # the mean over all batches
    for channels_in, channels_out in pairwise((4, 16, 32, 64)):
        layers += [
            QuaternionConv2d(channels_in, channels_out, 3, stride=2, padding=1),
            nn.ReLU(),
        ]
    head = (QuaternionLinear(64 * 8, 64), nn.ReLU(), nn.Linear(64, classes))
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d((8, 1)), nn.Flatten(), *head)


NETWORKS = {"alexnet": alexnet, "vgg16": vgg16, "resnet50": resnet50, "small": small}


def _dense(size: int, classes: int) -> list[nn.Module]:
    """Return the classifier that AlexNet and VGG16 share: size-4096-4096-classes."""
    return [
        nn.Dropout(0.5),
        QuaternionLinear(size, 4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        QuaternionLinear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, classes),
    ]


class _Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 quaternion convolutions with batch norm, plus the shortcut."""

    def __init__(self, channels_in: int, planes: int, stride: int) -> None:
        super().__init__()
        channels_out = planes * 4
        self.body = nn.Sequential(
            QuaternionConv2d(channels_in, planes, 1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(),
            QuaternionConv2d(planes, planes, 3, stride, 1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(),
            QuaternionConv2d(planes, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                QuaternionConv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        summed: Tensor = self.body(x) + self.shortcut(x)
        return torch.relu(summed)
