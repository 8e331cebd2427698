"""Where a fit is, to the batch: what a resumed one needs to go on as if it had not been stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass
class Position:
    """Epoch (from 1), batches of it that are done, and what has been gathered until there."""

    epoch: int = 1
    batch: int = 0
    steps: int = 0
    total_loss: float = 0.0
    trained_clips: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    best_loss: float = float("inf")
    best_epoch: int = 0
    best_state: dict[str, Tensor] = field(default_factory=dict)
    finished: bool = False

    def next_epoch(self) -> None:
        """Go to the first batch of the next epoch."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.total_loss, self.trained_clips = 0.0, 0


def capture(
    position: Position,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    draw: np.random.Generator,
) -> dict[str, Any]:
    """Return a state that torch can save and load with weights_only."""
    return {
        "position": dict(vars(position)),
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        # its integers have 128 bits
        "draw": json.dumps(draw.bit_generator.state),
    }


def restore(
    state: dict[str, Any], model: torch.nn.Module, optimiser: torch.optim.Optimizer
) -> Position:
    """Put weights and optimiser back and return the position."""
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return Position(**state["position"])


def restore_draws(state: dict[str, Any], draw: np.random.Generator) -> None:
    """Put the random sources of a half-done epoch where they were: dropout, and crops."""
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    draw.bit_generator.state = json.loads(state["draw"])
