"""How pre-finetuning and few-shot fine-tuning are optimised."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from after_ser.learn.training import Row, Training

Step = Sequence[Any]  # the batches that a step is made of


def linear_rate(step: int, steps: int, warmup: float) -> float:
    """Return the factor of the learning rate at `step` (from 0) of `steps`.

    Linear from 0 over the first `warmup` (share) of the steps, then linear down to 0, as
    transformers' linear schedule does.
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / max(1, steps - rising)


def steps_of(batches: int, accumulation: int) -> int:
    """Return the steps of an epoch of so many batches."""
    return math.ceil(batches / accumulation)


def few_shot_training(
    model: nn.Module,
    settings: Mapping[str, Any],
    *,
    epochs: int,
    batches: Callable[[int], Sequence[Any]],
    loss: Callable[[Any], Tensor],
    **others: Any,
) -> Training:
    """Return the training with AdamW, warm-up, linear decay and clipped gradients.

    settings: learning_rate, accumulation (batches that make a step, the last one of what is left),
    warmup, clip_norm. batches: epoch -> its batches, as many in each; loss: batch -> scalar, the
    mean over its clips. others: as in Training.
    """
    rate, size = settings["learning_rate"], settings["accumulation"]
    steps = epochs * steps_of(len(batches(1)), size)
    trained = [weight for weight in model.parameters() if weight.requires_grad]

    def grouped(epoch: int, done: int) -> list[Step]:
        chosen = batches(epoch)
        return [chosen[begin : begin + size] for begin in range(0, len(chosen), size)][done:]

    def gradients(step: Step) -> Row:
        losses = []
        for batch in step:
            value = loss(batch)
            (value / len(step)).backward()
            losses.append(float(value.detach()))
        return {"loss": sum(losses) / len(losses), "losses": losses}

    return Training(
        model=model,
        optimiser=torch.optim.AdamW(trained, lr=rate, weight_decay=0.0),
        epochs=epochs,
        batches=grouped,
        gradients=gradients,
        rate=lambda epoch, step: rate * linear_rate(step, steps, settings["warmup"]),
        clip_norm=settings["clip_norm"],
        **others,
    )
