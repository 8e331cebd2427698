"""White Gaussian noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from after_ser.data.audio.mix import Waveform, add_at_snr


def white(
    waveform: Waveform, level: float, rng: np.random.Generator, others: Sequence[Waveform] = ()
) -> Waveform:
    """Return the clip [T] in white noise at an SNR of `level` dB over the whole clip."""
    return add_at_snr(waveform, rng.standard_normal(len(waveform)), level)
