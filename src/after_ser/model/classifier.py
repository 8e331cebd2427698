"""The emotion classifier: a backbone's transformer on frozen latents, and a small head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from after_ser.core.errors import InputError
from after_ser.model.families.base import Body
from after_ser.model.registry import FAMILIES, family, family_of, head_class
from after_ser.model.save import check_finite
from after_ser.model.spec_augment import spec_augment
from after_ser.run.atomic import atomic_path, read_json, read_tensors, write_json

#: Weights of the head have no prefix in a round's file.
_HEAD = "head."


class Classifier(nn.Module):
    """Latents [B, T, D] and lengths [B] to class logits [B, C].

    What makes latents has run already (it is frozen), and the projection of its latents is frozen
    with it; the transformer and the head are trained. With `augment`, spans of frames and features
    are masked in training (after_ser.model.spec_augment). With `bf16` set, projection and
    transformer run under autocast; what follows is float32 all the same, since bfloat16 would give
    many clips of a pool the same score.
    """

    mask_embedding: Tensor

    def __init__(
        self,
        body: Body,
        classes: list[str],
        head: str,
        augment: bool = False,
        fast: bool = True,
    ) -> None:
        """Take projection and transformer from `body`; the head's weights are drawn anew.

        `fast` says how `body` was made, for whoever loads the model again.
        """
        super().__init__()
        self.body = body
        self.classes = classes
        self.head_name, self.fast = head, fast
        self.projection = body.projection
        self.transformer = body.transformer
        self.head = head_class(head)(body.width, len(classes), body.described)
        self.projection.requires_grad_(False)
        self.bf16 = False
        self.augment = augment
        if augment:
            self.register_buffer("mask_embedding", body.mask_embedding)

    def embed(self, latents: Tensor, lengths: Tensor) -> Tensor:
        """Return the pooled embedding that the last linear layer sees: [B, its width]."""
        return self.head.pool(*self._states(latents, lengths))

    def forward(self, latents: Tensor, lengths: Tensor) -> Tensor:
        """Return logits [B, C]."""
        logits: Tensor = self.head(*self._states(latents, lengths))
        return logits

    def _states(self, latents: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden states [B, T, H] and which of their frames are no padding, [B, T]."""
        frames = torch.arange(latents.shape[1], device=latents.device)
        valid = frames[None, :] < lengths[:, None]
        with torch.autocast(latents.device.type, torch.bfloat16, enabled=self.bf16):
            hidden = self.body.project(latents)
            if self.augment and self.training:
                per_second = self.body.geometry.frames_per_second
                hidden = spec_augment(hidden, self.mask_embedding, per_second)
            states = self.body.last(hidden, None if bool(valid.all()) else valid).float()
        return states, valid

    def train(self, mode: bool = True) -> Classifier:
        """Set training mode; the frozen projection stays in eval mode (no dropout in it)."""
        super().train(mode)
        self.projection.eval()
        return self


def start_classifier(
    start: Path,
    classes: list[str],
    head: str,
    seed: int,
    augment: bool = False,
    fast: bool = True,
) -> Classifier:
    """Return a classifier on the checkpoint folder `start`, its head drawn by `seed`.

    Without `fast` transformers' own modules run. Raises InputError where `augment` needs a mask
    embedding that the checkpoint does not have.
    """
    body = family_of(start).body(start, fast)
    if augment and body.mask_embedding is None:
        raise InputError(f"backbone: {start} has no mask embedding; expected one for spec_augment")
    torch.manual_seed(seed)
    return Classifier(body, classes, head, augment, fast)


def save_classifier(model: Classifier, weights: Path, config: Path) -> None:
    """Write model.safetensors and config.json (classes, head, the backbone's own by its family)."""
    tensors = {
        name.removeprefix(_HEAD): value.detach().cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    check_finite(weights, tensors)
    with atomic_path(weights) as temporary:
        save_file(tensors, temporary)
    write_json(
        config,
        {
            "classes": model.classes,
            "head": model.head_name,
            **({"spec_augment": True} if model.augment else {}),
            **({} if model.fast else {"fast": False}),
            model.body.family.model_type: model.body.described,
        },
    )


def load_classifier(weights: Path, config: Path) -> Classifier:
    """Read what `save_classifier` wrote; every weight must be there.

    Raises InputError for a model that was pruned (an empty file, see after_ser.tools.prune).
    """
    if weights.stat().st_size == 0:
        raise InputError(
            f"{weights}: this model was pruned; delete the file and its round is fitted again"
        )
    described: dict[str, Any] = read_json(config)
    name = next((name for name in FAMILIES if name in described), None)
    if name is None:
        raise InputError(f"{config}: no backbone of a known family; expected {', '.join(FAMILIES)}")
    fast = described.get("fast", True)
    body = family(name, str(config)).body_of(described[name], str(config), fast)
    augment = described.get("spec_augment", False)
    state = read_tensors(weights)
    body.mask_embedding = state.get("mask_embedding")
    model = Classifier(body, described["classes"], described["head"], augment, fast)
    own = model.state_dict()
    # copies, since the file's own memory may be misaligned
    state = {k if k in own else f"{_HEAD}{k}": v.clone() for k, v in state.items()}
    model.load_state_dict(state, strict=True, assign=True)
    return model
