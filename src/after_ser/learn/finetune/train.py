"""Fine-tuning of the classifier on what is labelled so far (paper section 3.1.3, Eq. 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from after_ser.core.protocol import TRAINING
from after_ser.core.seeding import rng
from after_ser.learn.adam import Adam
from after_ser.learn.finetune.batches import Clips, collate, crop, epoch_batches, scoring_batches
from after_ser.learn.finetune.predict import frames_per_batch, predict
from after_ser.learn.losses import class_weights, val_scores
from after_ser.learn.stopping import EarlyStopping
from after_ser.learn.training import Row, Training
from after_ser.model.classifier import Classifier
from after_ser.run.progress import Progress

Batch = tuple[np.ndarray, list[np.ndarray]]  # positions [B] of clips, their frames [T_i, D]


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
    progress: Progress | None = None,
) -> Fit:
    """Train `model` in place and restore the epoch of lowest val loss (or keep the last one).

    settings: learning_rate, batch_size, max_epochs, max_steps (0: no limit; whole epochs),
    patience, crop_s (training only), class_weights, and the switches shuffle, drop_last and
    restore (after_ser.core.protocol); see docs/config.md. Adam starts anew. With restore "last",
    val loss decides nothing: patience does not count and the last epoch is kept.
    Every random draw is named by `seed_parts` and the epoch, so that nothing depends on what ran
    before; with `progress` a fit that was stopped goes on at the same batch and ends the same.
    Raises InputError where the loss is not finite.
    """
    settings = {**TRAINING, **settings}
    targets, truth = (
        torch.tensor([model.classes.index(label) for label in labels])
        for labels in (train_labels, val_labels)
    )
    weights = class_weights(targets, len(model.classes), settings["class_weights"]).to(device)
    longest = max(1, int(settings["crop_s"] * frames_per_second))
    lengths = np.minimum(train.lengths(), longest)
    model.to(device)

    def batches(epoch: int, done: int) -> Iterator[Batch]:
        draw = rng(*seed_parts, "batches", epoch)
        chosen = epoch_batches(
            lengths, settings["batch_size"], draw, settings["shuffle"], settings["drop_last"]
        )
        for number, batch in enumerate(chosen):  # the crops of those done are drawn once more
            frames = [crop(train.frames[i], longest, draw) for i in batch]
            if number >= done:
                yield batch, frames

    def gradients(batch: Batch) -> Row:
        positions, frames = batch
        loss = add_gradients(model, frames, targets[positions].to(device), weights, device)
        return {"loss": float(loss), "clips": len(positions)}

    def measure(epoch: int, rows: list[Row]) -> tuple[Row, float]:
        probs = predict(model, val, device, pause=None if progress is None else progress.check)
        val_loss, ua = val_scores(probs, truth.numpy())
        train_loss = sum(row["loss"] * row["clips"] for row in rows) / sum(
            row["clips"] for row in rows
        )
        row = {"epoch": epoch, "train_loss": train_loss, "val_loss": val_loss, "val_ua": ua}
        return row, val_loss

    training = Training(
        name="fine-tuning",
        model=model,
        optimiser=Adam(
            [weight for weight in model.parameters() if weight.requires_grad],
            lr=settings["learning_rate"],
        ),
        epochs=_epochs(settings, len(train.utts)),
        seed=seed_parts,
        batches=batches,
        gradients=gradients,
        measure=measure,
        stopping=EarlyStopping(settings["patience"], keep_last=settings["restore"] == "last"),
        clips=lambda batch: [train.utts[i] for i in batch[0]],
        progress=progress,
    ).run()
    return Fit(pd.DataFrame(training.history), training.stopping.best_epoch)


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
