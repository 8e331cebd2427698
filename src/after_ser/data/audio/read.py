"""Reading an audio file as mono samples, whatever its format."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from after_ser.core.errors import InputError, printable

# A longer file is a recording not cut into utterances; scoring one would take more memory than any
# GPU has, since the transformer attends from every frame to every frame.
MAX_DURATION_S = 600

# Telephone speech has 8 kHz, the fastest sound cards 384 kHz.
MIN_RATE, MAX_RATE = 4000, 384_000

# Formats whose header states the exact number of frames; for the others it is an estimate.
_EXACT_LENGTH = {"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF"}
_BLOCK_VALUES = 1 << 20  # decoded at a time: 4 MiB, whatever a header promises
_UNKNOWN_FRAMES = 2**62  # libsndfile's SF_COUNT_MAX is 2^63 - 1; it cannot decode such a FLAC
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class UnreadableAudioError(Exception):
    """The file is not complete audio; the message says why, without naming the file."""


class LongAudioError(UnreadableAudioError):
    """The file is audio, but longer than any utterance."""


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


def read_clip(path: str | os.PathLike[str], longest_s: float | None = None) -> Clip:
    """Read any file libsndfile reads; several channels become their mean.

    Taking the left channel alone could lose a voice. Integer samples are scaled so
    that full scale is 1; float samples are taken as they are, also beyond full scale, NaN and
    infinite. An empty file is a clip of no samples. Raises UnreadableAudioError for what is not
    audio, ends early, or is longer than `longest_s` seconds (None: MAX_DURATION_S) or of another
    rate than MIN_RATE to MAX_RATE, and InputError for a missing or unreadable file.
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"{source} does not exist; expected the audio file that the index lists")
    if source.stat().st_size == 0:
        return Clip(np.zeros(0, np.float32), 16000, 1)
    try:
        with source.open("rb") as raw:
            head = raw.read(64)
    except OSError as error:
        raise InputError(
            f"{source} cannot be read ({error.strerror}); expected an audio file"
        ) from None
    if head.startswith(_LFS_POINTER):
        raise UnreadableAudioError("a Git LFS pointer, not the audio itself (run git lfs pull)")
    _check_riff_length(head, source.stat().st_size)
    try:
        with soundfile.SoundFile(source) as file:
            frames, rate, channels = file.frames, file.samplerate, file.channels
            exact = file.format in _EXACT_LENGTH
            if not MIN_RATE <= rate <= MAX_RATE:
                raise UnreadableAudioError(
                    f"a sampling rate of {rate} Hz, expected {MIN_RATE} to {MAX_RATE}"
                )
            if frames >= _UNKNOWN_FRAMES:
                raise UnreadableAudioError("does not say how many samples it has")
            samples = _read_mono(file, MAX_DURATION_S if longest_s is None else longest_s)
    except soundfile.LibsndfileError as error:
        reason = printable(" ".join(error.error_string.split()))
        raise UnreadableAudioError(f"cannot be decoded as audio (libsndfile: {reason})") from None
    if exact and len(samples) < frames:
        raise UnreadableAudioError(f"ends after {len(samples)} of {frames} samples")
    return Clip(samples, rate, channels)


def _read_mono(file: soundfile.SoundFile, longest_s: float) -> np.ndarray:
    """Return all samples as their mean over channels, in blocks.

    A header may promise 2^36 samples of 1024 channels, so memory is allocated only for what has
    been decoded.
    """
    step = max(1, _BLOCK_VALUES // file.channels)
    longest = longest_s * file.samplerate
    blocks: list[np.ndarray] = []
    read = 0
    while len(block := file.read(step, dtype="float32", always_2d=True)):
        blocks.append(_mono(block))
        read += len(block)
        if read > longest:
            raise LongAudioError(f"longer than {longest_s:g} s")
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


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
