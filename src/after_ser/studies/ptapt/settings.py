"""Settings of P-TAPT's first stage, with the defaults of its authors' code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from after_ser.core.errors import InputError
from after_ser.learn.tapt.settings import scheduled_rate

#: Settings that change how the stage is carried out, not what it computes.
OPERATIONAL = ("checkpoint", "checkpoint_every")


@dataclass(frozen=True)
class StatesSettings:
    """Everything that determines the emotion-state model, besides clips, labels and seed.

    `checkpoint` is a fairseq wav2vec (version 1) checkpoint, whose content decides and not its
    path; `scratch` the channels and aggregator kernels of a smaller one from random weights.
    """

    checkpoint: str = ""
    scratch: Mapping[str, Any] | None = None
    steps: int = 10_000
    batch_size: int = 64  # clips
    learning_rate: float = 1e-4
    warmup: float = 0.05  # share of the steps
    flat: float = 0.05  # share of the steps at the full rate after warm-up
    crop_s: float = 10.0
    val_share: float = 0.1
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        """InputError unless exactly one of `checkpoint` and `scratch` is given."""
        if bool(self.checkpoint) == (self.scratch is not None):
            raise InputError("p-tapt: expected exactly one of checkpoint and scratch (first_stage)")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> StatesSettings:
        """Build from the config's `first_stage`, whose settings of the clustering are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in given.items() if key in known})

    def identity(self) -> dict[str, Any]:
        """Return what decides the result, for recognising a checkpoint of the same run."""
        return {key: value for key, value in asdict(self).items() if key not in OPERATIONAL}

    def rate(self, step: int) -> float:
        """Return the learning rate of `step` (from 0)."""
        warmup = int(self.warmup * self.steps)
        return scheduled_rate(step, self.learning_rate, self.steps, warmup, self.flat)
