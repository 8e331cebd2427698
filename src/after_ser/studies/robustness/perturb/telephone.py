"""The band of a telephone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import butter, resample_poly, sosfiltfilt

from after_ser.data.audio.mix import SAMPLE_RATE, Waveform

RATE = 8_000
LOWEST_HZ = 300.0
_ORDER = 6  # of the Butterworth band-pass, which runs forwards and backwards


def telephone(
    waveform: Waveform, level: float, rng: np.random.Generator, others: Sequence[Waveform] = ()
) -> Waveform:
    """Return the clip [T] at 8 kHz and back, between 300 Hz and `level` Hz (telephony: 3400).

    The filters have no delay, so the clip stays where it is in time.
    """
    narrow = resample_poly(waveform.astype(np.float64), RATE, SAMPLE_RATE)
    band = butter(_ORDER, [LOWEST_HZ, level], "bandpass", fs=RATE, output="sos")
    padding = min(3 * (2 * len(band) + 1), len(narrow) - 1)
    narrow = sosfiltfilt(band, narrow, padlen=max(padding, 0))
    wide = resample_poly(narrow, SAMPLE_RATE, RATE)[: len(waveform)]
    return wide.astype(np.float32)
