"""Reading the prepared 16 kHz mono clips as samples."""

from __future__ import annotations

import os

import numpy as np

from after_ser.core.errors import InputError
from after_ser.model.geometry import SAMPLE_RATE


def read_samples(path: str | os.PathLike[str], start: int = 0, count: int = -1) -> np.ndarray:
    """Return samples [n] as int16, from `start`, at most `count` (-1: to the end).

    Raises InputError for a file that is missing, unreadable, or not 16 kHz mono: these clips are
    made by the corpus step, which converts and checks.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as handle:
            if handle.samplerate != SAMPLE_RATE or handle.channels != 1:
                raise InputError(
                    f"audio: {path} has {handle.samplerate} Hz and {handle.channels} channels; "
                    f"expected {SAMPLE_RATE} Hz mono"
                )
            if start:
                handle.seek(start)
            return np.asarray(handle.read(count, dtype="int16"))
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(
            f"audio: cannot read {path} ({error}); expected a clip of the corpus step"
        ) from None


def count_samples(path: str | os.PathLike[str]) -> int:
    """Return the number of samples of a clip without decoding it."""
    import soundfile

    try:
        return int(soundfile.info(str(path)).frames)
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(
            f"audio: cannot read {path} ({error}); expected a clip of the corpus step"
        ) from None


def to_float(samples: np.ndarray) -> np.ndarray:
    """Return int16 samples as float32 in [-1, 1)."""
    return samples.astype(np.float32) / 32768.0
