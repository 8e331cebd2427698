"""The emotion classifier: wav2vec 2.0's transformer on frozen CNN latents, and a small head."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from after_ser.backbone.save import check_finite
from after_ser.backbone.transformer import Body, load_body
from after_ser.errors import InputError
from after_ser.finetune.heads import HEADS, SEQUENCE_CLASSIFICATION
from after_ser.finetune.spec_augment import spec_augment
from after_ser.runtime.atomic import atomic_path, read_json, read_tensors, write_json


class Classifier(nn.Module):
    """Latents [B, T, D] and lengths [B] to class logits [B, C].

    The CNN has run already (it is frozen), and the projection of its latents is frozen with it;
    the transformer and the head are trained. Head "mean-relu-linear" is masked mean over time,
    ReLU, linear (default); "relu-mean-linear" is the released code's order;
    "sequence-classification" is transformers' Wav2Vec2ForSequenceClassification, also in how its
    first weights are drawn: a linear projector on every frame, masked mean, linear. With `augment`,
    spans of frames and features are masked in training (after_ser.finetune.spec_augment). With
    `bf16` set, projection and transformer run under autocast; what follows is float32 all the same,
    since bfloat16 would give many clips of a pool the same score.
    """

    mask_embedding: Tensor

    def __init__(self, body: Body, classes: list[str], head: str, augment: bool = False) -> None:
        """Take projection and transformer from `body`; the linear layer is drawn anew."""
        super().__init__()
        if head not in HEADS:
            raise ValueError(f"head {head} is none of {HEADS}")
        self.config = body.config
        self.described = body.described
        self.classes = classes
        self.head = head
        self.projection = body.projection
        self.transformer = body.transformer
        width = body.config.hidden_size
        if head == SEQUENCE_CLASSIFICATION:
            self.projector = nn.Linear(width, body.config.classifier_proj_size)
            width = body.config.classifier_proj_size
        self.output = nn.Linear(width, len(classes))
        if head == SEQUENCE_CLASSIFICATION:
            for layer in (self.projector, self.output):
                nn.init.normal_(layer.weight, std=body.config.initializer_range)
                nn.init.zeros_(layer.bias)
        self.projection.requires_grad_(False)
        self.bf16 = False
        self.augment = augment
        if augment:
            self.register_buffer("mask_embedding", body.mask_embedding)
            self.frames_per_second = 16_000 / math.prod(body.config.conv_stride)

    def embed(self, latents: Tensor, lengths: Tensor) -> Tensor:
        """Return the pooled embedding that the last linear layer sees: [B, its width]."""
        frames = torch.arange(latents.shape[1], device=latents.device)
        valid = frames[None, :] < lengths[:, None]
        with torch.autocast(latents.device.type, torch.bfloat16, enabled=self.bf16):
            hidden = self.projection(latents)
            if self.augment and self.training:
                hidden = spec_augment(hidden, self.mask_embedding, self.frames_per_second)
            states = self.transformer(hidden, None if bool(valid.all()) else valid).float()
        if self.head == "relu-mean-linear":
            states = torch.relu(states)
        if self.head == SEQUENCE_CLASSIFICATION:
            states = self.projector(states)
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
    body = load_body(start)
    if augment and body.mask_embedding is None:
        raise InputError(f"backbone: {start} has no mask embedding; expected one for spec_augment")
    torch.manual_seed(seed)
    return Classifier(body, classes, head, augment)


def save_classifier(model: Classifier, weights: Path, config: Path) -> None:
    """Write model.safetensors and config.json (architecture, classes, head)."""
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()
    }
    check_finite(weights, tensors)
    with atomic_path(weights) as temporary:
        save_file(tensors, temporary)
    write_json(
        config,
        {
            "classes": model.classes,
            "head": model.head,
            **({"spec_augment": True} if model.augment else {}),
            "wav2vec2": model.described,
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
    described: dict[str, Any] = read_json(config)
    body = Body.described_by(described["wav2vec2"], str(config))
    augment = described.get("spec_augment", False)
    state = read_tensors(weights)
    body = replace(body, mask_embedding=state.get("mask_embedding"))
    model = Classifier(body, described["classes"], described["head"], augment)
    # copies, since the file's own memory may be misaligned
    model.load_state_dict({k: v.clone() for k, v in state.items()}, strict=True, assign=True)
    return model
