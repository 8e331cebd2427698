"""One clip under one condition, with a random source that only the clip and the kind name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from after_ser.core.seeding import rng
from after_ser.data.audio.mix import Waveform
from after_ser.studies.robustness.perturb.registry import perturbation


def perturb(
    kind: str, waveform: Waveform, level: float, utt: str, others: Sequence[Waveform] = ()
) -> Waveform:
    """Return `waveform` [T] (float32, 16 kHz) under `kind` at `level`, again [T] float32.

    others: clips that babble is made of; the same ones in the same order for every model.
    The random source is named by kind and clip, so that every model hears the same noise, and
    levels of one kind differ in nothing but the level. Raises ValueError where the result has
    another shape or type, or is not finite.
    """
    result = perturbation(kind)(waveform, level, rng("perturb", kind, utt), others)
    if result.shape != waveform.shape or result.dtype != np.float32:
        raise ValueError(f"{kind} made {result.dtype} {result.shape} of {waveform.shape}")
    if not np.isfinite(result).all():
        raise ValueError(f"{kind} at {level:g} made samples of {utt} that are not finite")
    perturbed: Waveform = result
    return perturbed
