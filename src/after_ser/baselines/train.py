"""The training loop of the baselines that are networks: epochs are chosen on val loss alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from after_ser.baselines.base import HISTORY
from after_ser.baselines.val import val_scores
from after_ser.errors import InputError
from after_ser.runtime.device import choose_device, make_deterministic
from after_ser.runtime.seeding import derive_seed, rng


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
    before_epoch: Callable[[int], None] | None = None,
) -> tuple[pd.DataFrame, int]:
    """Train `model` in place, restore the epoch of lowest val loss; return (HISTORY, that epoch).

    epochs:      most epochs, numbered from 1; patience: epochs without a lower val loss before
                 training stops, 0 for never, as where the original runs a fixed number.
    batches:     epoch -> its batches, whatever they are; loss: batch -> scalar.
    val_probabilities: -> [val clips, classes], called with the model in evaluation mode.
    before_epoch: e.g. a learning-rate schedule.
    val loss is the mean of -log p(true class) per utterance, as for AFTER (paper, section 3.1.3).
    What is random in an epoch (dropout) depends on seed and epoch only. Raises InputError where
    a loss is not finite.
    """
    rows: list[dict[str, float]] = []
    best_loss, best_epoch = math.inf, 0
    best_state: dict[str, Tensor] = {}
    for epoch in range(1, epochs + 1):
        torch.manual_seed(derive_seed(seed, "dropout", epoch))
        if before_epoch is not None:
            before_epoch(epoch)
        model.train()
        losses = []
        for batch in batches(epoch):
            value = loss(batch)
            if not bool(torch.isfinite(value)):
                raise InputError(
                    f"baseline {name}: the loss is {value.item()} in epoch {epoch}; expected a "
                    "finite loss, try a lower learning_rate"
                )
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            losses.append(float(value.detach()))
        model.eval()
        val_loss, ua = val_scores(val_probabilities(), val_labels)
        rows.append(dict(zip(HISTORY, (epoch, float(np.mean(losses)), val_loss, ua), strict=True)))
        if val_loss < best_loss:
            best_loss, best_epoch = val_loss, epoch
            best_state = {key: value.detach().clone() for key, value in model.state_dict().items()}
        elif patience and epoch - best_epoch >= patience:
            break
    model.load_state_dict(best_state)
    model.eval()
    return pd.DataFrame(rows, columns=HISTORY), best_epoch
