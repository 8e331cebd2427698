"""A recording as pieces to be scored: all of it, or windows of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from after_ser.core.errors import InputError
from after_ser.data.audio.checks import MIN_DURATION_S, defect
from after_ser.data.audio.convert import SAMPLE_RATE, pcm16
from after_ser.data.audio.read import MAX_DURATION_S, Clip, UnreadableAudioError, read_clip
from after_ser.model.waveform import to_float

#: Longest recording in seconds: it is read at once, and two hours at 48 kHz take 1.4 GB.
LONGEST_S = 7200


@dataclass(frozen=True)
class Windows:
    """Length and step in seconds; length 0 takes every recording whole."""

    length: float = 10.0
    step: float = 10.0

    def __post_init__(self) -> None:
        """Raise InputError for lengths that the model cannot work on, and for gaps."""
        # "not" in front, so that NaN is refused too
        if self.length != 0 and not MIN_DURATION_S <= self.length <= MAX_DURATION_S:
            raise InputError(
                f"predict: --window {self.length:g}; expected {MIN_DURATION_S:g} to "
                f"{MAX_DURATION_S} seconds, or 0 for whole files"
            )
        if self.length != 0 and not 0.01 <= self.step <= self.length:
            raise InputError(
                f"predict: --hop {self.step:g}; expected 0.01 seconds to the window's "
                f"{self.length:g}, so that nothing is left out between windows"
            )

    def cut(self, samples: int) -> list[tuple[int, int]]:
        """Return (start, end) in samples of 16 kHz, in order of time.

        One piece where the recording is no longer than a window. Else a window every `step`, all
        of the same length; the last one ends where the recording ends, whatever its distance.
        """
        length, step = round(self.length * SAMPLE_RATE), round(self.step * SAMPLE_RATE)
        if length == 0 or samples <= length:
            return [(0, samples)]
        starts = list(range(0, samples - length + 1, step))
        if starts[-1] + length < samples:
            starts.append(samples - length)
        return [(start, start + length) for start in starts]


@dataclass(frozen=True)
class Piece:
    """Samples [n] at 16 kHz, float32, from `start` to `end` seconds; None where it is silent."""

    start: float
    end: float
    samples: np.ndarray | None


def pieces_of(path: str, windows: Windows) -> list[Piece]:
    """Read one recording of any rate and number of channels and cut it.

    It is prepared as the corpora are: mean of the channels, resampled, rounded to 16 bits, so that
    a clip of the run's gives what the run said of it. Raises UnreadableAudioError or InputError
    for a file that cannot be used, silent from end to end for instance.
    """
    clip = read_clip(path, LONGEST_S if windows.length else MAX_DURATION_S)
    reason = defect(clip)
    if reason:
        raise UnreadableAudioError(reason)
    samples = clip.samples
    if clip.sample_rate != SAMPLE_RATE:
        from after_ser.data.audio.resample import resample

        samples = resample(samples, clip.sample_rate)
    samples = to_float(pcm16(samples))
    cut = windows.cut(len(samples))
    pieces = []
    for start, end in cut:
        part = samples[start:end]
        silent = len(cut) > 1 and defect(Clip(part, SAMPLE_RATE, 1)) == "silent"
        pieces.append(Piece(start / SAMPLE_RATE, end / SAMPLE_RATE, None if silent else part))
    return pieces
