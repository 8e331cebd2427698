"""The training loop: fine-tuning, baselines, few-shot, P-TAPT and TAPT all train by it.

A step moves the weights once; it is made of what `batches` yields. An epoch is the steps between
two looks at val, after which early stopping decides. The state is whole after every step: a run
that goes on from it ends with the same weights, to the bit, as one that was never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from after_ser.core.errors import InputError
from after_ser.core.seeding import derive_seed
from after_ser.learn.stopping import EarlyStopping
from after_ser.run.progress import Progress

Row = dict[str, Any]


@dataclass
class Training:
    """A network, how it is trained, and how far it is.

    name:      what messages begin with.
    model:     one module with every weight that is trained; it is trained in place.
    optimiser: of the weights to train.
    epochs:    most epochs, numbered from 1.
    seed:      named parts; dropout is drawn anew in each epoch, whatever ran before.
    batches:   (epoch, n) -> what the epoch's steps are made of, without the first n.
    gradients: one of these -> the step's row; it adds the gradients of the loss, which is
               row["loss"], to the weights'. Rows are numbers, so that they can be saved.
    measure:   (epoch, rows of its steps) -> (the epoch's row of `history`, val score).
    stopping:  chooses among the epochs by that score, or keeps the last one.
    rate:      (epoch, steps made before) -> learning rate; without it the optimiser's stays.
    clip_norm: largest norm of the gradient; 0: any.
    clips:     what a step is made of -> its clips, for the message about a loss that is not finite.
    progress:  saves the state and notices when to end; without it nothing is saved.
    """

    name: str
    model: nn.Module
    optimiser: torch.optim.Optimizer
    epochs: int
    seed: Sequence[str | int]
    batches: Callable[[int, int], Iterable[Any]]
    gradients: Callable[[Any], Row]
    measure: Callable[[int, list[Row]], tuple[Row, float | None]]
    stopping: EarlyStopping
    rate: Callable[[int, int], float] | None = None
    clip_norm: float = 0.0
    clips: Callable[[Any], Sequence[str]] | None = None
    progress: Progress | None = None

    epoch: int = field(default=1, init=False)
    in_epoch: int = field(default=0, init=False)  # steps of it that are done
    finished: bool = field(default=False, init=False)
    rows: list[Row] = field(default_factory=list, init=False)  # of all steps
    history: list[Row] = field(default_factory=list, init=False)  # of all epochs
    best: dict[str, Tensor] = field(default_factory=dict, init=False)  # weights of the best epoch

    def run(self) -> Training:
        """Train to the end, from a saved state if there is one, and restore the epoch that is kept.

        Raises InputError where a loss or a val score is not finite.
        """
        saved = None if self.progress is None else self.progress.resume()
        if saved is not None:
            self.restore(saved)
        while not self.finished:
            if self.in_epoch == 0:  # else the draws of a half-done epoch go on
                torch.manual_seed(derive_seed(*self.seed, "dropout", self.epoch))
            self.model.train()
            for batch in self.batches(self.epoch, self.in_epoch):
                self.rows.append(self.step(batch))
                self.in_epoch += 1
                self._reached()
            self._end_epoch()
        self._reached()
        if not self.stopping.keep_last:
            self.model.load_state_dict(self.best)
        return self

    @property
    def steps(self) -> int:
        """How many steps are done."""
        return len(self.rows)

    def step(self, batch: Any) -> Row:
        """Move the weights once and return the step's row."""
        if self.rate is not None:
            rate = self.rate(self.epoch, self.steps)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        row = self.gradients(batch)
        clips = self.clips(batch) if self.clips is not None else ()
        self._expect_finite("loss", row["loss"], f"at step {self.steps + 1}", clips)
        if self.clip_norm > 0:
            weights = [
                weight for group in self.optimiser.param_groups for weight in group["params"]
            ]
            torch.nn.utils.clip_grad_norm_(weights, self.clip_norm)
        self.optimiser.step()
        return row

    def _end_epoch(self) -> None:
        row, score = self.measure(self.epoch, self.rows[self.steps - self.in_epoch :])
        if score is not None:
            self._expect_finite("val score", score, f"after epoch {self.epoch}")
        if row:
            self.history.append(row)
        if self.stopping.update(self.epoch, score):
            weights = self.model.state_dict()
            self.best = {name: value.detach().clone() for name, value in weights.items()}
        self.finished = self.stopping.stop or self.epoch == self.epochs
        self.epoch, self.in_epoch = self.epoch + 1, 0

    def _expect_finite(
        self, what: str, value: float, where: str, clips: Sequence[str] = ()
    ) -> None:
        if math.isfinite(value):
            return
        names = f" ({', '.join(clips[:8])}{', …' if len(clips) > 8 else ''})" if clips else ""
        rate = self.optimiser.param_groups[0]["lr"]
        raise InputError(
            f"{self.name}: the {what} is {value} {where}{names}; expected a finite one: lower "
            f"learning_rate, {rate:g} at this step" + (", or check these clips" if clips else "")
        )

    def _reached(self) -> None:
        if self.progress is not None:
            self.progress.reached(self.steps, self.state)

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as torch saves and loads it with weights_only."""
        device = next(self.model.parameters()).device
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            "stopping": dict(vars(self.stopping)),
            "at": [self.epoch, self.in_epoch, self.finished],
            "rows": self.rows,
            "history": self.history,
            "draws": torch.get_rng_state(),
            "draws_gpu": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.best = state["best"]
        self.stopping = EarlyStopping(**state["stopping"])
        self.epoch, self.in_epoch, self.finished = state["at"]
        self.rows, self.history = state["rows"], state["history"]
        torch.set_rng_state(state["draws"])
        device = next(self.model.parameters()).device
        if state["draws_gpu"] is not None and device.type == "cuda":
            torch.cuda.set_rng_state(state["draws_gpu"], device)


def gradients_of(loss: Tensor) -> Row:
    """Add the gradients of a loss, a scalar, and return the step's row."""
    loss.backward()
    return {"loss": float(loss.detach())}
