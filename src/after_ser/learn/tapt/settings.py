"""Settings of self-supervised training, with the defaults of the AFTER paper and its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import ceil
from typing import Any

from after_ser.core.errors import InputError
from after_ser.learn.tapt.objectives.registry import check_objective

#: Settings that change how a run is carried out, not what it computes. With accumulation the
#: sums are made in another order, and dropout and LayerDrop are drawn by part.
OPERATIONAL = ("accumulation", "checkpoint_every", "cache_gb", "validations")


@dataclass(frozen=True)
class PretrainSettings:
    """Everything that determines a pre-training run, besides data, start weights and seed.

    The paper gives Adam 1e-4 and 15 % masked frames; its code gives 20,000 steps of about 250 s
    of audio, warm-up 100, 5 % flat, then linear to zero, random crops of 10 s, spans of 10 frames
    of 20 ms, no gradient clipping.
    """

    objective: str = "eq1+eq2"
    steps: int = 20_000
    seconds_per_step: float = 250.0
    learning_rate: float = 1e-4
    warmup: int = 100  # steps
    flat: float = 0.05  # share of the steps at the full rate after warm-up
    crop_s: float = 10.0
    mask_share: float = 0.15
    mask_span: int = 10  # frames
    mask_min_spans: int = 1
    temperature: float = 0.1  # kappa of Eq. 1
    clip_norm: float = 0.0  # 0: no clipping
    precision: str = "fp32"
    gumbel_start: float = 2.0  # temperature of the quantiser's Gumbel softmax, first step
    gumbel_end: float = 2.0  # and last step; geometric in between
    accumulation: int = 1  # parts that a process makes its share of a step in
    checkpoint_every: int = 500
    validations: int = 20  # how often the loss is measured on held-out clips, if there are any
    cache_gb: float = 1.5

    def __post_init__(self) -> None:
        """Check every value; InputError names the first one that cannot be."""
        check_objective(self.objective)
        checks: dict[str, tuple[bool, str]] = {
            "steps": (self.steps >= 1, "a positive number"),
            "seconds_per_step": (self.seconds_per_step > 0, "a positive number"),
            "learning_rate": (self.learning_rate > 0, "a positive number"),
            "warmup": (0 <= self.warmup < self.steps, f"from 0 to less than steps {self.steps}"),
            "flat": (0 <= self.flat <= 1, "a share from 0 to 1"),
            "crop_s": (self.crop_s > 0, "a positive number"),
            "mask_share": (0 < self.mask_share < 1, "a share between 0 and 1"),
            "mask_span": (self.mask_span >= 1, "a positive number of frames"),
            "mask_min_spans": (self.mask_min_spans >= 1, "a positive number"),
            "temperature": (self.temperature > 0, "a positive number"),
            "clip_norm": (self.clip_norm >= 0, "0 (none) or more"),
            "precision": (self.precision in ("fp32", "bf16"), "fp32 or bf16"),
            "gumbel_start": (self.gumbel_start > 0, "a positive number"),
            "gumbel_end": (self.gumbel_end > 0, "a positive number"),
            "accumulation": (self.accumulation >= 1, "a positive number"),
            "checkpoint_every": (self.checkpoint_every >= 1, "a positive number"),
            "validations": (self.validations >= 1, "a positive number"),
            "cache_gb": (self.cache_gb >= 0, "0 or more"),
        }
        for name, (good, expected) in checks.items():
            if not good:
                raise InputError(f"pre-training: {name} {getattr(self, name)}; expected {expected}")

    @classmethod
    def of(cls, given: Mapping[str, Any], **defaults: Any) -> PretrainSettings:
        """Build from a config section; `defaults` go before this class's. Unknown keys are errors.

        From-scratch training passes `objective="wav2vec2"`, clipping and a falling temperature.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise InputError(
                f"pre-training: unknown setting {', '.join(unknown)}; "
                f"expected some of {', '.join(sorted(known))}"
            )
        return cls(**{**defaults, **given})

    def identity(self) -> dict[str, Any]:
        """Return what decides the result, for recognising a checkpoint of the same run."""
        return {key: value for key, value in asdict(self).items() if key not in OPERATIONAL}

    @property
    def validate_every(self) -> int:
        """Steps between two measurements on held-out clips."""
        return ceil(self.steps / self.validations)

    def rate(self, step: int) -> float:
        """Return the learning rate of `step` (from 0): linear warm-up, flat, linear to zero."""
        return scheduled_rate(step, self.learning_rate, self.steps, self.warmup, self.flat)

    def gumbel(self, step: int) -> float:
        """Return the Gumbel temperature of `step`."""
        progress = step / max(self.steps - 1, 1)
        return float(self.gumbel_start * (self.gumbel_end / self.gumbel_start) ** progress)


def scheduled_rate(step: int, peak: float, steps: int, warmup: int, flat: float) -> float:
    """Return the rate of `step` (from 0) of `steps`: linear over the first `warmup` steps to
    `peak`, there for the share `flat` of all steps, then linear to zero.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    flat_until = warmup + flat * steps
    if step < flat_until:
        return peak
    return peak * (steps - step) / max(steps - flat_until, 1.0)


#: Defaults of training from scratch: wav2vec 2.0's own objective keeps the code book in use,
#: clipping keeps the first steps finite; mask share and the falling temperature as in its recipe.
SCRATCH_DEFAULTS: dict[str, Any] = {
    "objective": "wav2vec2",
    "mask_share": 0.5,
    "clip_norm": 1.0,
    "gumbel_end": 0.5,
}
