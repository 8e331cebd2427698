"""Resampling to the 16 kHz of wav2vec 2.0, without aliasing."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
import torch
import torchaudio

TARGET_RATE = 16000

# A windowed sinc of 64 zero crossings on each side. Measured from 48 kHz: flat to 0.01 dB up to
# 7.2 kHz, -3.2 dB at 7.5 kHz, and every tone above 8 kHz is down by at least 100 dB. torchaudio's
# default (6 crossings, Hann) lets 8.5 kHz through as 7.5 kHz.
_FILTER = {
    "lowpass_filter_width": 64,
    "rolloff": 0.945,
    "resampling_method": "sinc_interp_kaiser",
    "beta": 10.0,
}

# The filter has a phase for each output sample of a period, and time and memory go with numerator
# times denominator of the ratio: 70,560 for 44.1 kHz, 98 million for the 24,414 Hz of TESS.
_LARGEST_RATIO = 1_000_000


def ratio(rate: int) -> Fraction:
    """Return 16000 / rate, or the nearest fraction whose filter is small.

    That is within 3 ppm for the odd rates of old sound cards (24,414, 22,255, 48,828 Hz), and
    within 500 ppm, less than a hundredth of a semitone, for any rate from 4 to 384 kHz.
    """
    exact = Fraction(TARGET_RATE, rate)
    if exact.numerator * exact.denominator <= _LARGEST_RATIO:
        return exact
    return exact.limit_denominator(math.isqrt(_LARGEST_RATIO * rate // TARGET_RATE))


@lru_cache(maxsize=8)
def _resampler(rate: int) -> torchaudio.transforms.Resample:
    near = ratio(rate)
    return torchaudio.transforms.Resample(near.denominator, near.numerator, **_FILTER)


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return float32 `samples` [n] of `rate` Hz at 16 kHz; the very same where they already are.

    The result has ceil(n * 16000 / rate) samples, and may exceed the input's peak by a little,
    as a band-limited signal does between samples. One torch thread is used, so that the bytes do
    not depend on the machine's cores.
    """
    if rate == TARGET_RATE:
        return samples
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            signal = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
            resampled: np.ndarray = _resampler(rate)(signal).numpy()
    finally:
        torch.set_num_threads(threads)
    length = -(-len(samples) * TARGET_RATE // rate)
    # only where the ratio is a near one; its difference in length is silence or nothing
    return np.pad(resampled[:length], (0, max(0, length - len(resampled))))
