"""What strategies ask of the current model besides probabilities: embeddings and MC dropout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from after_ser.core.errors import InputError
from after_ser.core.seeding import rng
from after_ser.learn.finetune.batches import Clips, collate, scoring_batches
from after_ser.learn.finetune.predict import frames_per_batch
from after_ser.model.classifier import Classifier


@dataclass(frozen=True)
class Embedded:
    """What the last layer sees of clips [N, H], and class probabilities [N, C]; float64."""

    embeddings: np.ndarray
    probs: np.ndarray


@torch.inference_mode()
def embed(model: Classifier, clips: Clips, device: torch.device) -> Embedded:
    """Return what the head's linear layer is given, and its probabilities; dropout off.

    Rows are in the order of `clips`; every clip is embedded in full.
    """
    model.eval()
    found = np.zeros((len(clips.utts), model.head.output.in_features))
    probs = np.zeros((len(clips.utts), len(model.classes)))
    for batch in scoring_batches(clips.lengths(), frames_per_batch(device)):
        latents, sizes = collate([clips.frames[i] for i in batch], device)
        pooled = model.embed(latents, sizes)
        found[batch] = pooled.double().cpu().numpy()
        probs[batch] = torch.softmax(model.head.output(pooled).double(), dim=1).cpu().numpy()
    return Embedded(found, probs)


@torch.inference_mode()
def mc_probabilities(
    model: Classifier,
    clips: Clips,
    passes: int,
    seed_parts: tuple[str | int, ...],
    device: torch.device,
) -> np.ndarray:
    """Return probabilities [N, K, C] under K = `passes` dropout masks (Gal & Ghahramani 2016).

    A pass is one draw of the model: its masks are the same for every clip of the pool and every
    frame, one value per channel, since BatchBALD's joint entropy is that of clips under one and
    the same model, and a mask drawn per frame would average itself out over time. The rates are
    those of the checkpoint's hidden and activation dropout; attention dropout and LayerDrop stay
    off. Raises InputError where both rates are 0, because all passes would then be equal.
    """
    dropouts = {
        name: module
        for name, module in model.transformer.named_modules()
        if isinstance(module, nn.Dropout) and module.p > 0
    }
    if not dropouts:
        raise InputError(
            "MC dropout: hidden_dropout and activation_dropout of the backbone are 0; expected one "
            "above 0 for strategies that compare stochastic passes (bald, batchbald)"
        )
    model.eval()
    probs = np.zeros((len(clips.utts), passes, len(model.classes)))
    for index in range(passes):
        with _channel_masks(dropouts, (*seed_parts, "mc", index)):
            for batch in scoring_batches(clips.lengths(), frames_per_batch(device)):
                latents, sizes = collate([clips.frames[i] for i in batch], device)
                logits = model(latents, sizes)
                probs[batch, index] = torch.softmax(logits.double(), dim=1).cpu().numpy()
    return probs


@contextmanager
def _channel_masks(
    dropouts: dict[str, nn.Dropout], seed_parts: tuple[str | int, ...]
) -> Iterator[None]:
    """Multiply the outputs of (inactive) dropout layers by one mask per channel."""
    handles = [
        module.register_forward_hook(_masked_by(module.p, (*seed_parts, name)))
        for name, module in dropouts.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _masked_by(p: float, seed_parts: tuple[str | int, ...]) -> Callable[..., Tensor]:
    masks: dict[int, Tensor] = {}

    def hook(_module: Any, _given: Any, output: Tensor) -> Tensor:
        channels = output.shape[-1]
        if channels not in masks:
            kept = rng(*seed_parts).uniform(size=channels) >= p
            masks[channels] = torch.from_numpy(kept / (1 - p)).to(output)
        return output * masks[channels]

    return hook
