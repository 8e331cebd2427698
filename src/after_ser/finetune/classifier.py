"""The emotion classifier: wav2vec 2.0's transformer on frozen CNN latents, and a small head."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import Wav2Vec2Config
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2Model

from after_ser.backbone.load import load_encoder
from after_ser.errors import InputError
from after_ser.finetune.spec_augment import spec_augment
from after_ser.runtime.atomic import atomic_path, write_json

HEADS = ("mean-relu-linear", "relu-mean-linear")


class Classifier(nn.Module):
    """Latents [B, T, D] and lengths [B] to class logits [B, C].

    The CNN has run already (it is frozen), and the projection of its latents is frozen with it;
    the transformer and the head are trained. Head "mean-relu-linear" is masked mean over time,
    ReLU, linear (default); "relu-mean-linear" is the released code's order. With `augment`, spans
    of frames and features are masked in training (after_ser.finetune.spec_augment).
    """

    mask_embedding: Tensor

    def __init__(
        self, encoder: Wav2Vec2Model, classes: list[str], head: str, augment: bool = False
    ) -> None:
        """Take projection and transformer from `encoder`; the linear layer is drawn anew."""
        super().__init__()
        if head not in HEADS:
            raise ValueError(f"head {head} is none of {HEADS}")
        self.config: Wav2Vec2Config = encoder.config
        self.classes = classes
        self.head = head
        self.projection = encoder.feature_projection
        self.transformer = encoder.encoder
        self.output = nn.Linear(encoder.config.hidden_size, len(classes))
        self.projection.requires_grad_(False)
        self.augment = augment
        if augment:
            self.register_buffer("mask_embedding", encoder.masked_spec_embed.detach().clone())
            self.frames_per_second = 16_000 / math.prod(encoder.config.conv_stride)

    def embed(self, latents: Tensor, lengths: Tensor) -> Tensor:
        """Return the pooled embedding [B, H] that the linear layer sees."""
        frames = torch.arange(latents.shape[1], device=latents.device)
        valid = frames[None, :] < lengths[:, None]
        hidden, _ = self.projection(latents)
        if self.augment and self.training:
            hidden = spec_augment(hidden, self.mask_embedding, self.frames_per_second)
        mask = None if bool(valid.all()) else valid
        states = self.transformer(hidden, attention_mask=mask)[0]
        if self.head == "relu-mean-linear":
            states = torch.relu(states)
        weights = valid.unsqueeze(-1).to(states.dtype)
        pooled = (states * weights).sum(1) / weights.sum(1)
        return torch.relu(pooled) if self.head == "mean-relu-linear" else pooled

    def forward(self, latents: Tensor, lengths: Tensor) -> Tensor:
        """Return logits [B, C]."""
        logits: Tensor = self.output(self.embed(latents, lengths))
        return logits

    def train(self, mode: bool = True) -> Classifier:
        """Set training mode; the frozen projection stays in eval mode (no dropout in it)."""
        super().train(mode)
        self.projection.eval()
        return self


def start_classifier(
    start: Path, classes: list[str], head: str, seed: int, augment: bool = False
) -> Classifier:
    """Return a classifier on the checkpoint folder `start`, its linear layer drawn by `seed`.

    Raises InputError where `augment` needs a mask embedding that the checkpoint does not have.
    """
    encoder = load_encoder(start)
    if augment:
        with safe_open(start / "model.safetensors", "pt") as weights:
            if not any(name.endswith("masked_spec_embed") for name in weights.keys()):  # noqa: SIM118
                raise InputError(
                    f"backbone: {start} has no mask embedding; expected one for spec_augment"
                )
    torch.manual_seed(seed)
    return Classifier(encoder, classes, head, augment)


def save_classifier(model: Classifier, weights: Path, config: Path) -> None:
    """Write model.safetensors and config.json (architecture, classes, head)."""
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()
    }
    with atomic_path(weights) as temporary:
        save_file(tensors, temporary)
    write_json(
        config,
        {
            "classes": model.classes,
            "head": model.head,
            **({"spec_augment": True} if model.augment else {}),
            "wav2vec2": json.loads(model.config.to_json_string(use_diff=False)),
        },
    )


def load_classifier(weights: Path, config: Path) -> Classifier:
    """Read what `save_classifier` wrote; every weight must be there.

    Raises InputError for a model that was pruned (an empty file, see after_ser.prune).
    """
    if weights.stat().st_size == 0:
        raise InputError(
            f"{weights}: this model was pruned; delete the file and its round is fitted again"
        )
    described: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    encoder = Wav2Vec2Model(Wav2Vec2Config.from_dict(described["wav2vec2"]))
    augment = described.get("spec_augment", False)
    model = Classifier(encoder, described["classes"], described["head"], augment)
    model.load_state_dict(load_file(weights), strict=True)
    return model
