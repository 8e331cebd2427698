"""Settings of self-supervised training, with the defaults of the AFTER paper and its code."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from after_ser.core.errors import InputError
from after_ser.core.settings import Count, NotNegative, Positive, Share, parsed
from after_ser.learn.tapt.config import Variant
from after_ser.learn.tapt.objectives.registry import check_objective

#: Settings that change how a run is carried out, not what it computes, or that other steps read.
#: With accumulation the sums are made in another order, and dropout and LayerDrop drawn by part.
OPERATIONAL = {
    *("accumulation", "checkpoint_every", "cache_gb", "validations"),
    *("seed_per_run", "first_stage"),
}


class PretrainSettings(Variant):
    """Everything that determines a pre-training run, besides data, start weights and seed.

    The keys of a TAPT variant, and those that the config does not have. The paper gives Adam 1e-4
    and 15 % masked frames; its code gives 20,000 steps of about 250 s of audio, warm-up 100, 5 %
    flat, then linear to zero, random crops of 10 s, spans of 10 frames of 20 ms, no gradient
    clipping.
    """

    flat: Share = 0.05  # share of the steps at the full rate after warm-up
    mask_min_spans: Count = 1
    gumbel_start: Positive = 2.0  # temperature of the quantiser's Gumbel softmax, first step
    gumbel_end: Positive = 2.0  # and last step; geometric in between
    validations: Count = 20  # how often the loss is measured on held-out clips, if there are any
    cache_gb: NotNegative = 1.5

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> PretrainSettings:
        """Build from a config section. Raises InputError for a value or key that cannot be."""
        made = parsed(cls, given, "", "pre-training")
        check_objective(made.objective)
        if made.warmup >= made.steps:
            raise InputError(
                f"pre-training: warmup {made.warmup}; expected less than steps {made.steps}"
            )
        return made

    def identity(self) -> dict[str, Any]:
        """Return what decides the result, for recognising a checkpoint of the same run."""
        return self.model_dump(exclude=OPERATIONAL)

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
