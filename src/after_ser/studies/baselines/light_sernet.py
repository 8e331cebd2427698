"""LIGHT-SERNET: a small convolutional network on MFCCs of a clip of fixed length.

Aftab et al., "LIGHT-SERNET: a lightweight fully convolutional neural network for speech emotion
recognition", ICASSP 2022 (arXiv 2110.03435). Written from the paper and from facts about the
released code; 460,740 trainable parameters with four classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softmax
from torchaudio.functional import create_dct
from torchaudio.transforms import MelSpectrogram

from after_ser.core.errors import InputError
from after_ser.model.geometry import SAMPLE_RATE
from after_ser.studies.baselines.base import Clip, Fitted
from after_ser.studies.baselines.clips import fixed_length, labels_of, samples, waveform
from after_ser.studies.baselines.train import fit_epochs, shuffled_batches, start

NAME = "light_sernet"
WINDOW, HOP = 1024, 256  # 64 and 16 ms
MELS, LOW, HIGH = 128, 80.0, 7600.0
LIMIT = 10.0  # coefficients are clipped to +- this
FLOOR = 1e-6  # below the logarithm
POOLINGS = 5  # halvings of both axes
SCORED = 64  # clips at a time


class Mfcc(nn.Module):
    """MFCCs as TensorFlow computes them: magnitudes, HTK mels, natural logarithm, scaled DCT-II."""

    dct: Tensor

    def __init__(self, coefficients: int) -> None:
        """`coefficients` are kept of MELS."""
        super().__init__()
        self.mel = MelSpectrogram(
            SAMPLE_RATE,
            n_fft=WINDOW,
            hop_length=HOP,
            f_min=LOW,
            f_max=HIGH,
            n_mels=MELS,
            power=1.0,
            center=False,
            norm=None,
            mel_scale="htk",
        )
        self.register_buffer("dct", create_dct(coefficients, MELS, None) / math.sqrt(2 * MELS))

    def forward(self, signal: Tensor) -> Tensor:
        """Return [coefficients, frames] of samples [T], clipped to +- LIMIT."""
        mels: Tensor = torch.log(self.mel(signal) + FLOOR)
        return (mels.T @ self.dct).T.clamp(-LIMIT, LIMIT)


class LightSernet(nn.Module):
    """Three parallel convolutions, five more, global average pooling and a linear layer."""

    def __init__(self, classes: int, paths: int, widths: list[int], dropout: float) -> None:
        """paths: channels of each parallel convolution; widths: of the five that follow."""
        super().__init__()
        kernels = ((11, 1), (1, 9), (3, 3))
        self.paths = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(1, paths, kernel, padding="same"),
                nn.BatchNorm2d(paths),
                nn.ReLU(),
                nn.AvgPool2d(2),
            )
            for kernel in kernels
        )
        body: list[nn.Module] = []
        inputs = len(kernels) * paths
        for width in widths[:-1]:
            body += [
                nn.Conv2d(inputs, width, 3, padding="same", bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.AvgPool2d(2),
            ]
            inputs = width
        body += [nn.Conv2d(inputs, widths[-1], 1, bias=False), nn.BatchNorm2d(widths[-1])]
        self.body = nn.Sequential(*body, nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(widths[-1], classes))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits [B, classes] of MFCCs [B, coefficients, frames]."""
        x = features[:, None]
        x = torch.cat([path(x) for path in self.paths], dim=1)
        logits: Tensor = self.head(self.body(x).mean(dim=(2, 3)))
        return logits


@dataclass(frozen=True)
class Model:
    """A fitted network and what its input is."""

    network: LightSernet
    mfcc: Mfcc
    length: int  # samples
    device: torch.device


def build(classes: int, settings: dict[str, Any]) -> LightSernet:
    """Return an untrained network of the size that `settings` describe."""
    return LightSernet(classes, settings["paths"], settings["widths"], settings["dropout"])


def fit(
    train: list[Clip],
    val: list[Clip],
    *,
    classes: list[str],
    settings: dict[str, Any],
    seed: int,
    device: str,
) -> Fitted:
    """Train, and keep the epoch of lowest val loss; settings as in the registry."""
    chosen = start(seed, device)
    length = samples(settings["seconds"])
    frames = 1 + (length - WINDOW) // HOP
    if min(frames, settings["mfcc"]) < 2**POOLINGS:
        raise InputError(
            f"baseline {NAME}: {settings['seconds']} s are {frames} frames of {settings['mfcc']} "
            f"coefficients; expected at least {2**POOLINGS} of both, which are halved {POOLINGS} "
            "times"
        )
    model = Model(build(len(classes), settings).to(chosen), Mfcc(settings["mfcc"]), length, chosen)
    features, val_features = (_features(model, clips) for clips in (train, val))
    targets = torch.tensor(labels_of(train))
    network = model.network
    # 2 x: the original adds l2 * |w|^2 to the loss, of kernels only
    kernels = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    optimiser = torch.optim.Adam(
        [{"params": kernels, "weight_decay": 2 * settings["l2"]}, {"params": others}],
        lr=settings["learning_rate"],
    )

    def loss(batch: np.ndarray) -> Tensor:
        logits = network(features[batch].to(chosen))
        return _loss(logits, targets[batch].to(chosen), settings["loss"], settings["gamma"])

    history, best = fit_epochs(
        network,
        optimiser,
        name=NAME,
        epochs=settings["epochs"],
        patience=settings["patience"],
        batches=lambda epoch: shuffled_batches(len(train), settings["batch_size"], seed, epoch),
        loss=loss,
        val_probabilities=lambda: _probabilities(model, val_features),
        val_labels=labels_of(val),
        seed=seed,
        rate=lambda epoch: learning_rate(settings, epoch),
    )
    return Fitted(model, history, best, len(history))


def learning_rate(settings: dict[str, Any], epoch: int) -> float:
    """Return the rate of an epoch: from `decay_from` on, e^-decay more every `decay_every` epochs.

    With 50 and 20, the rate falls in epochs 60, 80, 100 ...
    """
    every, first = settings["decay_every"], settings["decay_from"]
    falls = max(0, epoch // every - first // every)
    return float(settings["learning_rate"] * math.exp(-settings["decay"] * falls))


def _loss(logits: Tensor, targets: Tensor, kind: str, gamma: float) -> Tensor:
    """Return the mean cross-entropy, or focal loss (Lin et al., ICCV 2017) without weights."""
    losses = cross_entropy(logits, targets, reduction="none")
    if kind == "focal":
        losses = (1 - torch.exp(-losses)) ** gamma * losses
    return losses.mean()


@torch.no_grad()
def _features(model: Model, clips: list[Clip]) -> Tensor:
    return torch.stack([model.mfcc(fixed_length(waveform(clip), model.length)) for clip in clips])


@torch.no_grad()
def _probabilities(model: Model, features: Tensor) -> np.ndarray:
    model.network.eval()
    parts = [
        softmax(model.network(part.to(model.device)), dim=1).cpu()
        for part in features.split(SCORED)
    ]
    return torch.cat(parts).double().numpy()


def predict(model: Model, clips: list[Clip]) -> np.ndarray:
    """Return probabilities [clips, classes]."""
    return _probabilities(model, _features(model, clips))
