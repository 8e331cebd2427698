"""The few-shot training loop with early stopping on val loss (paper section 3.1.3, Eq. 5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from after_ser.errors import InputError
from after_ser.finetune.batches import Clips, collate, crop, epoch_batches, scoring_batches
from after_ser.finetune.classifier import Classifier
from after_ser.finetune.predict import frames_per_batch, predict
from after_ser.finetune.state import Position, capture, restore, restore_draws
from after_ser.protocol import TRAINING
from after_ser.runtime.adam import Adam
from after_ser.runtime.progress import Progress
from after_ser.runtime.seeding import derive_seed, rng


@dataclass(frozen=True)
class Fit:
    """What a fit leaves: history (epoch, train_loss, val_loss, val_ua) and the epoch it kept."""

    history: pd.DataFrame
    best_epoch: int


def fit(
    model: Classifier,
    train: Clips,
    train_labels: list[str],
    val: Clips,
    val_labels: list[str],
    settings: dict[str, Any],
    frames_per_second: float,
    seed_parts: tuple[str | int, ...],
    device: torch.device,
    ua: Callable[[list[str], np.ndarray], float],
    progress: Progress | None = None,
) -> Fit:
    """Train `model` in place and restore the epoch of lowest val loss (or keep the last one).

    settings: learning_rate, batch_size, max_epochs, max_steps (0: no limit; whole epochs),
    patience, crop_s (training only), class_weights, and the switches shuffle, drop_last and
    restore (after_ser.protocol); see docs/config.md. Adam starts anew. With restore "last",
    val loss decides nothing: patience does not count and the last epoch is kept.
    Every random draw is named by `seed_parts` and the epoch, so that nothing depends on what ran
    before; with `progress` a fit that was stopped goes on at the same batch and ends the same.
    Raises InputError where the loss is not finite.
    """
    settings = {**TRAINING, **settings}
    keep_last = settings["restore"] == "last"
    classes = model.classes
    targets = torch.tensor([classes.index(label) for label in train_labels])
    weights = class_weights(targets, len(classes), settings["class_weights"]).to(device)
    longest = max(1, int(settings["crop_s"] * frames_per_second))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.to(device)
    optimiser = Adam(trained, lr=settings["learning_rate"])
    lengths = np.minimum(train.lengths(), longest)
    batching = (settings["shuffle"], settings["drop_last"])
    saved = None if progress is None else progress.resume()
    at = Position() if saved is None else restore(saved, model, optimiser)
    epochs = _epochs(settings, len(train.utts))
    while not at.finished:
        torch.manual_seed(derive_seed(*seed_parts, "dropout", at.epoch))
        draw = rng(*seed_parts, "batches", at.epoch)
        model.train()
        batches = epoch_batches(lengths, settings["batch_size"], draw, *batching)
        if saved is not None and at.batch > 0:
            restore_draws(saved, draw)
        saved = None
        for batch in batches[at.batch :]:
            frames = [crop(train.frames[i], longest, draw) for i in batch]
            optimiser.zero_grad(set_to_none=True)
            loss = add_gradients(model, frames, targets[batch].to(device), weights, device)
            if not bool(torch.isfinite(loss)):
                names = ", ".join(train.utts[i] for i in batch[:3])
                raise InputError(
                    f"fine-tuning: the loss is {loss.item()} in epoch {at.epoch} "
                    f"(batch with {names}); expected a finite loss, try a lower learning_rate "
                    f"than {settings['learning_rate']:g}"
                )
            optimiser.step()
            at.total_loss += float(loss) * len(batch)
            at.trained_clips += len(batch)
            at.batch += 1
            at.steps += 1
            if progress is not None:
                progress.reached(at.steps, partial(capture, at, model, optimiser, draw))
        probs = predict(model, val, device, pause=None if progress is None else progress.check)
        if not np.isfinite(probs).all():  # the last step of the epoch did it
            raise InputError(
                f"fine-tuning: what the model says of val is no number after epoch {at.epoch}; "
                f"expected probabilities, try a lower learning_rate than "
                f"{settings['learning_rate']:g}"
            )
        val_loss = negative_log_likelihood(probs, val_labels, classes)
        at.rows.append(
            {
                "epoch": at.epoch,
                "train_loss": at.total_loss / at.trained_clips,
                "val_loss": val_loss,
                "val_ua": ua(val_labels, probs),
            }
        )
        waited = at.epoch - at.best_epoch
        if keep_last:
            at.best_epoch = at.epoch
        elif val_loss < at.best_loss:
            at.best_loss, at.best_epoch = val_loss, at.epoch
            at.best_state = {
                name: value.detach().clone() for name, value in model.state_dict().items()
            }
        elif waited >= settings["patience"]:
            at.finished = True
        at.finished = at.finished or at.epoch == epochs
        at.next_epoch()
        if at.finished and progress is not None:
            progress.reached(at.steps + 1, partial(capture, at, model, optimiser, draw))
    if not keep_last:
        model.load_state_dict(at.best_state)
    return Fit(pd.DataFrame(at.rows), at.best_epoch)


def add_gradients(
    model: Classifier,
    frames: list[np.ndarray],
    targets: Tensor,
    weights: Tensor,
    device: torch.device,
) -> Tensor:
    """Add the gradient of a batch's loss to the model's, and return the loss (Eq. 5), a scalar.

    frames: [T_i, D] each; targets [B]; weights [C]. The batch goes through the model in parts of
    clips of about the same length, so that little is padded and memory stays small; the loss is
    that of the whole, the weighted mean over its clips. Dropout and LayerDrop are drawn by part.
    """
    lengths = np.array([len(clip) for clip in frames])
    whole = weights[targets].sum()
    total = torch.zeros((), device=device)
    for part in scoring_batches(lengths, frames_per_batch(device)):
        latents, sizes = collate([frames[i] for i in part], device)
        logits = model(latents, sizes)
        loss = cross_entropy(logits, targets[part], weight=weights, reduction="sum") / whole
        loss.backward()
        total += loss.detach()
    return total


def _epochs(settings: dict[str, Any], clips: int) -> int:
    """Return how many epochs there are at most."""
    epochs = int(settings["max_epochs"])
    if settings["max_steps"] <= 0:
        return epochs
    per_epoch = math.ceil(clips / settings["batch_size"])
    if settings["drop_last"]:
        per_epoch = max(1, clips // settings["batch_size"])
    return min(epochs, max(1, int(settings["max_steps"]) // per_epoch))


def class_weights(targets: Tensor, n_classes: int, kind: str) -> Tensor:
    """Return weights [C] of the cross-entropy: ones, or inversely proportional to counts.

    A class that is not labelled yet gets weight 0: it occurs in no batch, and 1/0 would turn
    every weight into NaN.
    """
    if kind == "none":
        return torch.ones(n_classes)
    counts = torch.bincount(targets, minlength=n_classes).float()
    weights = torch.where(counts > 0, 1.0 / counts.clamp(min=1.0), torch.zeros(n_classes))
    return weights / weights.sum() * (counts > 0).sum()


def negative_log_likelihood(probs: np.ndarray, labels: list[str], classes: list[str]) -> float:
    """Return the mean of -log p(true class), the unweighted Eq. 5, in nats."""
    own = probs[np.arange(len(labels)), [classes.index(label) for label in labels]]
    return float(-np.log(np.maximum(own, 1e-12)).mean())
