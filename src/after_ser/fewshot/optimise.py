"""The parts of training that pre-finetuning and few-shot fine-tuning share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from after_ser.errors import InputError


def linear_rate(step: int, steps: int, warmup: float) -> float:
    """Return the factor of the learning rate at `step` (from 0) of `steps`.

    Linear from 0 over the first `warmup` (share) of the steps, then linear down to 0, as
    transformers' linear schedule does.
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / max(1, steps - rising)


class Stepper:
    """AdamW over accumulated batches, with warm-up, linear decay and clipped gradients."""

    def __init__(self, model: torch.nn.Module, settings: dict[str, Any], epochs_steps: int) -> None:
        """`epochs_steps` are the steps of all epochs, which the rate falls over."""
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._settings = settings
        self._steps = epochs_steps
        self.optimiser = torch.optim.AdamW(
            self._parameters, lr=settings["learning_rate"], weight_decay=0.0
        )
        self.done = 0

    def epoch(self, batches: Sequence[Any], loss_of: Callable[[Any], Tensor], what: str) -> float:
        """Train on every batch once and return the mean loss.

        A step is made of `accumulation` batches, the last one of what is left. Raises InputError
        naming `what` where a loss is not finite.
        """
        total = 0.0
        size = self._settings["accumulation"]
        for start in range(0, len(batches), size):
            group = batches[start : start + size]
            self.optimiser.zero_grad(set_to_none=True)
            for batch in group:
                loss = loss_of(batch)
                if not bool(torch.isfinite(loss)):
                    raise InputError(
                        f"{what}: the loss is {loss.item()} at step {self.done + 1}; expected a "
                        "finite one, try a lower learning_rate"
                    )
                (loss / len(group)).backward()
                total += float(loss.detach())
            rate = linear_rate(self.done, self._steps, self._settings["warmup"])
            for parameters in self.optimiser.param_groups:
                parameters["lr"] = self._settings["learning_rate"] * rate
            if self._settings["clip_norm"] > 0:
                torch.nn.utils.clip_grad_norm_(self._parameters, self._settings["clip_norm"])
            self.optimiser.step()
            self.done += 1
        return total / len(batches)


def steps_of(batches: int, accumulation: int) -> int:
    """Return the steps of an epoch of so many batches."""
    return math.ceil(batches / accumulation)


@dataclass
class EarlyStopping:
    """Keeps the best score; stops after `patience` epochs without one better by `threshold`.

    As in transformers' callback, any better score is kept, also by less than the threshold, and
    the threshold is over the best one so far.
    """

    patience: int
    threshold: float = 0.0
    best: float = -math.inf
    best_epoch: int = 0
    waited: int = 0

    def update(self, epoch: int, score: float) -> bool:
        """Take an epoch's score and tell whether it is the best so far."""
        self.waited = 0 if score > self.best + self.threshold else self.waited + 1
        if score <= self.best:
            return False
        self.best, self.best_epoch = score, epoch
        return True

    @property
    def stop(self) -> bool:
        """Tell whether training should end."""
        return self.waited >= self.patience
