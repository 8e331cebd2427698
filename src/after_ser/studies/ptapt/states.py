"""The emotion-state model: wav2vec, a convolution to 20 ms, and two heads on its frames."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from after_ser.model.geometry import Geometry
from after_ser.model.save import save_tensors
from after_ser.model.spec_augment import span_masks
from after_ser.run.atomic import read_json, read_tensors, write_json
from after_ser.studies.ptapt.wav2vec import Shape, Wav2Vec

WEIGHTS = "states.safetensors"
DESCRIBED = "states.json"
KERNEL, STRIDE = 4, 2  # of the convolution that makes 20 ms of 10 ms
HEAD_WIDTH = 128
TIME_SPAN = 15  # frames of 10 ms that SpecAugment masks at once
FEATURE_SPAN = 64 / 512  # share of the features


def _head(width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, HEAD_WIDTH), nn.Tanh(), nn.Linear(HEAD_WIDTH, classes))


class EmotionStates(nn.Module):
    """Samples [B, S] to class logits of every 20 ms frame [B, T, C] and of the clip [B, C].

    Both are trained on the clip's label, so a frame must tell what it can of the emotion by
    itself, and together they must (paper 004, stage 1). A clip's logits come from a
    bidirectional LSTM over its frames, averaged over time.
    """

    def __init__(self, encoder: Wav2Vec, classes: list[str], freeze_features: bool) -> None:
        """`freeze_features`: leave the CNN as it is, which only a trained one bears."""
        super().__init__()
        width = encoder.shape.channels
        self.encoder = encoder
        self.classes = list(classes)
        self.freeze_features = freeze_features
        self.reduce = nn.Conv1d(width, width, KERNEL, STRIDE)
        self.frame_head = _head(width, len(classes))
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)
        self.clip_head = _head(2 * (width // 2), len(classes))
        if freeze_features:
            encoder.features.requires_grad_(False)

    @property
    def geometry(self) -> Geometry:
        """Return kernels and strides from samples to frames."""
        inner = self.encoder.shape.geometry
        return Geometry((*inner.kernels, KERNEL), (*inner.strides, STRIDE))

    def embed(self, waveforms: Tensor) -> Tensor:
        """Return the emotion states [B, T, D] of clips of equal length, at least one frame long.

        In training mode spans of latents are masked (SpecAugment), seeded by torch's generator.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_features):
            latents = self.encoder.features(waveforms)
        if self.training:
            clips, width, frames = latents.shape
            spans = (TIME_SPAN, max(1, round(FEATURE_SPAN * width)))
            seed = int(torch.randint(2**31, ()))
            time, features = span_masks(clips, frames, width, 100.0, seed, spans)
            masked = torch.from_numpy(time[:, None] | features[..., None])
            latents = latents.masked_fill(masked.to(latents.device), 0.0)
        states: Tensor = torch.relu(self.reduce(self.encoder.aggregator(latents)))
        return states.transpose(1, 2)

    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of frames and of clips."""
        states = self.embed(waveforms)
        pooled = torch.relu(self.lstm(states)[0].mean(dim=1))
        return self.frame_head(states), self.clip_head(pooled)


def save_states(model: EmotionStates, folder: str | os.PathLike[str], **described: Any) -> None:
    """Write states.safetensors and states.json (shape, classes, and `described`)."""
    folder = Path(folder)
    save_tensors(folder / WEIGHTS, model.state_dict())
    shape = model.encoder.shape
    write_json(
        folder / DESCRIBED,
        {
            "classes": model.classes,
            "channels": shape.channels,
            "aggregator": list(shape.aggregator),
            "freeze_features": model.freeze_features,
            "parameters": {
                "features": _count(model.encoder.features),
                "aggregator": _count(model.encoder.aggregator),
                "reduce": _count(model.reduce),
                "heads": _count(model.frame_head) + _count(model.lstm) + _count(model.clip_head),
            },
            **described,
        },
    )


def load_states(folder: str | os.PathLike[str]) -> EmotionStates:
    """Read what `save_states` wrote, in evaluation mode; every weight must be there."""
    folder = Path(folder)
    described = read_json(folder / DESCRIBED)
    encoder = Wav2Vec(Shape(described["channels"], tuple(described["aggregator"])))
    model = EmotionStates(encoder, described["classes"], described["freeze_features"])
    model.load_state_dict(read_tensors(folder / WEIGHTS))
    return model.eval()


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
