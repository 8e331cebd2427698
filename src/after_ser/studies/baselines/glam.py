"""GLAM: multi-scale convolutions and a gated MLP on MFCCs of short windows.

Zhu and Li, "Speech Emotion Recognition with Global-Aware Fusion on Multi-Scale Feature
Representation", ICASSP 2022 (arXiv 2204.05571). Written from the paper and from facts about the
released code; 904,078 parameters for windows of 1.8 s, 940,283 for 2 s, with four classes. The
gated block is that of Liu et al., "Pay Attention to MLPs" (NeurIPS 2021), with a tanh in its gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, max_pool2d, softmax
from torchaudio.transforms import MFCC

from after_ser.core.errors import InputError
from after_ser.core.seeding import rng
from after_ser.model.geometry import SAMPLE_RATE
from after_ser.model.waveform import count_samples
from after_ser.studies.baselines.base import Clip, Fitted
from after_ser.studies.baselines.clips import labels_of, samples, waveform, windows
from after_ser.studies.baselines.train import fit_epochs, shuffled_batches, start

NAME = "glam"
FFT, HOP, MELS = 2048, 512, 128
SCORED = 256  # windows at a time


def _conv(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding="same"), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class MultiScale(nn.Module):
    """3x3 and 5x5 convolutions side by side, each added to the input: twice its channels."""

    def __init__(self, channels: int) -> None:
        """`channels` of the input."""
        super().__init__()
        self.small = _conv(channels, channels, (3, 3))
        self.large = _conv(channels, channels, (5, 5))

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, 2 C, H, W] of [B, C, H, W]."""
        return torch.cat([x + self.small(x), x + self.large(x)], dim=1)


class GatedMlp(nn.Module):
    """One gMLP block over tokens [B, tokens, D]; the gate mixes tokens."""

    def __init__(self, tokens: int, dimension: int, ratio: int) -> None:
        """ratio: hidden units over `dimension`, half of which are the gate."""
        super().__init__()
        hidden = ratio * dimension
        self.norm = nn.LayerNorm(dimension)
        self.into = nn.Linear(dimension, hidden)
        self.gate_norm = nn.LayerNorm(hidden // 2)
        self.mix = nn.Conv1d(tokens, tokens, 1)
        nn.init.uniform_(self.mix.weight, -1e-3 / tokens, 1e-3 / tokens)  # at first an open gate
        nn.init.ones_(self.mix.bias)  # type: ignore[arg-type]
        self.out = nn.Linear(hidden // 2, dimension)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, tokens, D]."""
        value, gate = gelu(self.into(self.norm(x))).chunk(2, dim=-1)
        gate = torch.tanh(self.mix(self.gate_norm(gate)))
        out: Tensor = x + self.out(value * gate)
        return out


class Glam(nn.Module):
    """The network: logits of one window."""

    def __init__(
        self, classes: int, coefficients: int, frames: int, channels: int, ratio: int
    ) -> None:
        """channels: of each of the first two convolutions; the last has eight times as many."""
        super().__init__()
        self.along_frequency = _conv(1, channels, (3, 1))
        self.along_time = _conv(1, channels, (1, 3))
        self.blocks = nn.ModuleList(MultiScale(channels * 2**index) for index in range(3))
        self.last = _conv(8 * channels, 8 * channels, (5, 5))
        size = (2 * coefficients // 4) * (frames // 2 // 2)
        self.gmlp = GatedMlp(8 * channels, size, ratio)
        self.head = nn.Linear(8 * channels * size, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits [B, classes] of MFCCs [B, coefficients, frames]."""
        x = features[:, None]
        x = torch.cat([self.along_frequency(x), self.along_time(x)], dim=2)
        x = max_pool2d(self.blocks[0](x), 2)
        x = max_pool2d(self.blocks[1](x), 2)
        x = self.last(self.blocks[2](x)).flatten(2)
        logits: Tensor = self.head(self.gmlp(x).flatten(1))
        return logits


@dataclass(frozen=True)
class Model:
    """A fitted network and what its windows are (samples)."""

    network: Glam
    mfcc: nn.Module
    length: int
    hop: int
    device: torch.device


def build(classes: int, settings: dict[str, Any]) -> Glam:
    """Return an untrained network of the size that `settings` describe."""
    frames = 1 + samples(settings["seconds"]) // HOP
    if frames < 4:
        raise InputError(
            f"baseline {NAME}: windows of {settings['seconds']} s are {frames} frames; expected "
            "at least 4, which are halved twice"
        )
    return Glam(classes, settings["mfcc"], frames, settings["channels"], settings["gmlp_ratio"])


def fit(
    train: list[Clip],
    val: list[Clip],
    *,
    classes: list[str],
    settings: dict[str, Any],
    seed: int,
    device: str,
) -> Fitted:
    """Train on windows with mixup, and keep the epoch of lowest val loss over whole clips."""
    chosen = start(seed, device)
    network = build(len(classes), settings).to(chosen)
    mel: dict[str, Any] = {"n_fft": FFT, "hop_length": HOP, "n_mels": MELS}
    mel |= {"pad_mode": "constant", "norm": "slaney", "mel_scale": "slaney"}
    model = Model(
        network,
        MFCC(SAMPLE_RATE, n_mfcc=settings["mfcc"], melkwargs=mel),
        samples(settings["seconds"]),
        samples(settings["hop"]),
        chosen,
    )
    features, counts = _features(model, train)
    val_features, val_counts = _features(model, val)
    targets = torch.repeat_interleave(torch.tensor(labels_of(train)), torch.tensor(counts))
    optimiser = torch.optim.Adam(
        network.parameters(), settings["learning_rate"], weight_decay=settings["weight_decay"]
    )

    def batches(epoch: int) -> list[tuple[np.ndarray, np.ndarray, float]]:
        draw = rng(seed, "mixup", epoch)
        alpha = settings["mixup"]
        parts = shuffled_batches(len(features), settings["batch_size"], seed, epoch)
        return [
            (part, draw.permutation(part), float(draw.beta(alpha, alpha)) if alpha else 1.0)
            for part in parts
        ]

    def loss(batch: tuple[np.ndarray, np.ndarray, float]) -> Tensor:
        first, second, share = batch
        mixed = share * features[first] + (1 - share) * features[second]
        logits = network(mixed.to(chosen))
        one, other = (cross_entropy(logits, targets[part].to(chosen)) for part in (first, second))
        return share * one + (1 - share) * other

    def rate(epoch: int) -> float:
        falling = settings["learning_rate"] * settings["decay"] ** (epoch - 1)
        return float(max(falling, settings["lowest_rate"]))

    history, best = fit_epochs(
        network,
        optimiser,
        name=NAME,
        epochs=settings["epochs"],
        patience=settings["patience"],
        batches=batches,
        loss=loss,
        val_probabilities=lambda: _probabilities(model, val_features, val_counts),
        val_labels=labels_of(val),
        seed=seed,
        rate=rate,
    )
    padded = sum(count_samples(clip.path) < model.length for clip in train)
    notes = [f"{padded} train clips shorter than a window, padded with silence"] if padded else []
    return Fitted(model, history, best, len(history), notes)


@torch.no_grad()
def _features(model: Model, clips: Sequence[Clip]) -> tuple[Tensor, list[int]]:
    """Return MFCCs [all windows, coefficients, frames] and how many windows each clip has."""
    parts = []
    for clip in clips:
        cut = windows(waveform(clip), model.length, model.hop)
        # a channel axis, so that each window's level is limited by its own maximum
        parts.append(model.mfcc(cut[:, None])[:, 0])
    return torch.cat(parts), [len(part) for part in parts]


@torch.no_grad()
def _probabilities(model: Model, features: Tensor, counts: Sequence[int]) -> np.ndarray:
    """Return probabilities [clips, classes]: the mean of a clip's logits over its windows."""
    model.network.eval()
    logits = torch.cat([model.network(part.to(model.device)) for part in features.split(SCORED)])
    means = [part.mean(dim=0) for part in logits.double().cpu().split(list(counts))]
    return softmax(torch.stack(means), dim=1).numpy()


def predict(model: Model, clips: list[Clip]) -> np.ndarray:
    """Return probabilities [clips, classes]."""
    return _probabilities(model, *_features(model, clips))
