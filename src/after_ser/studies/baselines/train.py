"""How the baselines that are networks are trained: epochs are chosen on val loss alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from after_ser.core.seeding import derive_seed, rng
from after_ser.learn.losses import val_scores
from after_ser.learn.stopping import EarlyStopping
from after_ser.learn.training import Row, Training, gradients_of
from after_ser.run.device import choose_device, make_deterministic
from after_ser.studies.baselines.base import HISTORY


def start(seed: int, device: str) -> torch.device:
    """Seed torch for a model's first weights and return the device; call it before building one."""
    make_deterministic()
    torch.manual_seed(derive_seed(seed, "weights"))
    return choose_device(device)


def shuffled_batches(count: int, size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Return the positions 0..count-1 in a new order, cut into batches of `size`.

    A last batch of one joins the one before it: batch normalisation has nothing to normalise in it.
    """
    order = rng(seed, "batches", epoch).permutation(count)
    batches = [order[begin : begin + size] for begin in range(0, count, size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches


def fit_epochs(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    *,
    name: str,
    epochs: int,
    patience: int,
    batches: Callable[[int], Iterable[Any]],
    loss: Callable[[Any], Tensor],
    val_probabilities: Callable[[], np.ndarray],
    val_labels: Sequence[int],
    seed: int,
    rate: Callable[[int], float] | None = None,
) -> tuple[pd.DataFrame, int]:
    """Train `model` in place, restore the epoch of lowest val loss; return (HISTORY, that epoch).

    epochs:      most epochs, numbered from 1; patience: epochs without a lower val loss before
                 training stops, 0 for never, as where the original runs a fixed number.
    batches:     epoch -> its batches, whatever they are; loss: batch -> scalar.
    val_probabilities: -> [val clips, classes], called with the model in evaluation mode.
    rate:        epoch -> learning rate; without it the optimiser's stays.
    val loss is the mean of -log p(true class) per utterance, as for AFTER (paper, section 3.1.3).
    What is random in an epoch (dropout) depends on seed and epoch only. Raises InputError where
    a loss is not finite.
    """

    def measure(epoch: int, rows: list[Row]) -> tuple[Row, float]:
        model.eval()
        val_loss, ua = val_scores(val_probabilities(), val_labels)
        train_loss = float(np.mean([row["loss"] for row in rows]))
        return dict(zip(HISTORY, (epoch, train_loss, val_loss, ua), strict=True)), val_loss

    training = Training(
        name=f"baseline {name}",
        model=model,
        optimiser=optimiser,
        epochs=epochs,
        seed=(seed,),
        batches=lambda epoch, done: batches(epoch),
        gradients=lambda batch: gradients_of(loss(batch)),
        measure=measure,
        stopping=EarlyStopping(patience),
        rate=None if rate is None else lambda epoch, step: rate(epoch),
    ).run()
    model.eval()
    return pd.DataFrame(training.history, columns=HISTORY), training.stopping.best_epoch
