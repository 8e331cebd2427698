"""The sound of clips as baselines read it: float samples, and windows of a fixed length."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from after_ser.model.geometry import SAMPLE_RATE
from after_ser.model.waveform import read_samples, to_float
from after_ser.studies.baselines.base import Clip


def waveform(clip: Clip) -> Tensor:
    """Return a clip's samples [T] at 16 kHz, float32 in [-1, 1); read them once per fit."""
    return torch.from_numpy(to_float(read_samples(clip.path)))


def samples(seconds: float) -> int:
    """Return how many samples so many seconds are, at least one."""
    return max(1, round(seconds * SAMPLE_RATE))


def fixed_length(signal: Tensor, length: int) -> Tensor:
    """Return the first `length` samples [length] of a signal [T], silence behind a shorter one."""
    return pad(signal[:length], (0, max(0, length - len(signal))))


def windows(signal: Tensor, length: int, hop: int) -> Tensor:
    """Return all whole windows [n, length] of a signal [T], `hop` samples apart.

    A signal shorter than one window is one window with silence behind it; of a longer one the
    samples behind the last whole window are left out.
    """
    if len(signal) < length:
        signal = fixed_length(signal, length)
    return signal.unfold(0, length, hop).contiguous()
