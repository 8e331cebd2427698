"""Reading an audio file as mono samples, whatever its format."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from after_ser.errors import InputError

# Formats whose header states the exact number of frames; for the others it is an estimate.
_EXACT_LENGTH = {"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF"}
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class UnreadableAudioError(Exception):
    """The file is no complete audio file; the message says why, without naming the file."""


@dataclass(frozen=True)
class Clip:
    """Mono samples (float32, full scale is -1 to 1) with the file's own rate (Hz) and channels."""

    samples: np.ndarray
    sample_rate: int
    channels: int

    @property
    def duration_s(self) -> float:
        """Return the length in seconds."""
        return len(self.samples) / self.sample_rate


def read_clip(path: str | os.PathLike[str]) -> Clip:
    """Read any file libsndfile reads; several channels become their mean.

    The mean, unlike taking the left channel, loses no one's voice. Integer samples are scaled so
    that full scale is 1; float samples are taken as they are, also beyond full scale, NaN and
    infinite. An empty file is a clip of no samples. Raises UnreadableAudioError for what is no
    audio or ends early, and InputError where there is no file.
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"{source} does not exist; expected the audio file that the index lists")
    if source.stat().st_size == 0:
        return Clip(np.zeros(0, np.float32), 16000, 1)
    with source.open("rb") as raw:
        head = raw.read(64)
    if head.startswith(_LFS_POINTER):
        raise UnreadableAudioError("a Git LFS pointer, not the audio itself (run git lfs pull)")
    _check_riff_length(head, source.stat().st_size)
    try:
        with soundfile.SoundFile(source) as file:
            frames, rate, channels = file.frames, file.samplerate, file.channels
            exact = file.format in _EXACT_LENGTH
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        reason = " ".join(error.error_string.split())
        raise UnreadableAudioError(f"cannot be decoded as audio (libsndfile: {reason})") from None
    if exact and len(samples) < frames:
        raise UnreadableAudioError(f"ends after {len(samples)} of {frames} samples")
    return Clip(_mono(samples), rate, channels)


def _mono(samples: np.ndarray) -> np.ndarray:
    """Return the mean [frames] of samples [frames, channels]; one channel stays bit-identical."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    with np.errstate(invalid="ignore"):  # inf - inf: the clip checks see the NaN
        mean: np.ndarray = samples.mean(axis=1, dtype=np.float64).astype(np.float32)
    return mean


def _check_riff_length(head: bytes, size: int) -> None:
    """Raise UnreadableAudioError for a WAV file cut off by a broken download or copy.

    libsndfile reads what is there and says nothing. Programs that write to a pipe leave 0 or a
    huge number in the header, and some miscount by a few bytes; neither is a cut.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return
    promised = struct.unpack("<I", head[4:8])[0] + 8
    if promised < 0x7FFFF000 and promised - size > max(1024, promised // 100):
        raise UnreadableAudioError(f"ends after {size} of {promised} bytes")
