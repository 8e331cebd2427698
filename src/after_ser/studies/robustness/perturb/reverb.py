"""Reverberation by a synthetic room response."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve

from after_ser.data.audio.mix import SAMPLE_RATE, Waveform, power


def room_response(rt60: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return an impulse response [1 + rt60 x 16000]: direct sound, then decaying noise.

    Gaussian noise under an exponential that falls by 60 dB in `rt60` seconds (Polack 1988), cut
    there. Direct sound and tail have equal energy, as at a room's critical distance.
    """
    seconds = np.arange(1, math.ceil(rt60 * SAMPLE_RATE) + 1) / SAMPLE_RATE
    tail = rng.standard_normal(len(seconds)) * 10 ** (-3 * seconds / rt60)
    return np.concatenate([[1.0], tail / np.linalg.norm(tail)])


def reverb(
    waveform: Waveform, level: float, rng: np.random.Generator, others: Sequence[Waveform] = ()
) -> Waveform:
    """Return the clip [T] in a room with an RT60 of `level` seconds, at its own loudness.

    The direct sound is not delayed; what still sounds after the clip's end is cut off.
    """
    wet = fftconvolve(waveform.astype(np.float64), room_response(level, rng))[: len(waveform)]
    heard = power(wet)
    if heard == 0:
        return waveform.copy()
    return (wet * np.sqrt(power(waveform) / heard)).astype(np.float32)
