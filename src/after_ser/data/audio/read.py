"""Reading an audio file as mono samples, whatever its format."""

from __future__ import annotations

import io
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from after_ser.core.errors import InputError, printable
from after_ser.data.audio.container import CHECKED, Container, ContainerError, inspect

# A longer file is a recording not cut into utterances; scoring one would take more memory than any
# GPU has, since the transformer attends from every frame to every frame.
MAX_DURATION_S = 600

# Telephone speech has 8 kHz, the fastest sound cards 384 kHz.
MIN_RATE, MAX_RATE = 4000, 384_000

# Formats whose header states the exact number of frames; for the others it is an estimate.
_EXACT_LENGTH = {"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF"}
_BLOCK_VALUES = 1 << 20  # decoded at a time: 4 MiB, whatever a header promises
_UNKNOWN_FRAMES = 2**62  # libsndfile's SF_COUNT_MAX is 2^63 - 1; it cannot decode such a FLAC
#: Channels cancel each other where their mean has this share of the amplitude of the loudest one:
#: of eight channels with one voice in one of them an eighth is left.
CANCELLED = 0.1
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
    cancelled: bool = False  # its channels cancel each other, and one was taken

    @property
    def duration_s(self) -> float:
        """Return the length in seconds."""
        return len(self.samples) / self.sample_rate


def read_clip(path: str | os.PathLike[str], longest_s: float | None = None) -> Clip:
    """Read any file libsndfile reads; several channels become their mean.

    The clip is as long as the file says it is (`container`). Taking the left channel alone could
    lose a voice, but where the channels cancel each other (one was connected the wrong way round)
    the loudest is taken. Integer samples are scaled so that full scale is 1; float samples are
    taken as they are, also beyond full scale, NaN and infinite. An empty file is a clip of no
    samples. Raises UnreadableAudioError for what is not audio, ends early, or is longer than
    `longest_s` seconds (None: MAX_DURATION_S) or of another rate than MIN_RATE to MAX_RATE, and
    InputError for a missing or unreadable file.
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"{source} does not exist; expected the audio file that the index lists")
    if source.stat().st_size == 0:
        return Clip(np.zeros(0, np.float32), 16000, 1)
    container = _inspect(source)
    whole = source if container.repaired is None else io.BytesIO(container.repaired)
    try:
        with soundfile.SoundFile(whole) as file:
            frames, rate, channels = file.frames, file.samplerate, file.channels
            exact = file.format in _EXACT_LENGTH
            if file.format not in CHECKED:
                raise UnreadableAudioError(
                    f"its format ({file.format}) does not say how long it is, so a cut would go "
                    "unnoticed; expected e.g. WAV or FLAC"
                )
            if not MIN_RATE <= rate <= MAX_RATE:
                raise UnreadableAudioError(
                    f"a sampling rate of {rate} Hz, expected {MIN_RATE} to {MAX_RATE}"
                )
            if frames >= _UNKNOWN_FRAMES:
                raise UnreadableAudioError("does not say how many samples it has")
            samples, cancelled = _read_mono(
                file, MAX_DURATION_S if longest_s is None else longest_s
            )
    except soundfile.LibsndfileError as error:
        reason = printable(" ".join(error.error_string.split()))
        raise UnreadableAudioError(f"cannot be decoded as audio (libsndfile: {reason})") from None
    if exact and len(samples) < frames:
        raise UnreadableAudioError(f"ends after {len(samples)} of {frames} samples")
    if container.samples is not None and container.rate:
        expected = container.samples * rate // container.rate
        if len(samples) < expected:
            raise UnreadableAudioError(f"{len(samples)} of {expected} samples can be decoded")
    return Clip(samples, rate, channels, cancelled)


def _inspect(source: Path) -> Container:
    """Return what the file says of its length; raises as `read_clip` does."""
    try:
        with source.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[: len(_LFS_POINTER)] == _LFS_POINTER:
                raise UnreadableAudioError(
                    "a Git LFS pointer, not the audio itself (run git lfs pull)"
                )
            return inspect(data)  # type: ignore[arg-type]  # it is sliced and searched as bytes are
    except ContainerError as error:
        raise UnreadableAudioError(str(error)) from None
    except struct.error:
        raise UnreadableAudioError("ends within its header") from None
    except OSError as error:
        raise InputError(
            f"{source} cannot be read ({error.strerror}); expected an audio file"
        ) from None


def _read_mono(file: soundfile.SoundFile, longest_s: float) -> tuple[np.ndarray, bool]:
    """Return all samples as their mean over channels, in blocks, and whether it is one channel.

    A header may promise 2^36 samples of 1024 channels, so memory is allocated only for what has
    been decoded.
    """
    step = max(1, _BLOCK_VALUES // file.channels)
    longest = longest_s * file.samplerate
    blocks: list[np.ndarray] = []
    power = np.zeros(file.channels)
    read = 0
    while len(block := file.read(step, dtype="float32", always_2d=True)):
        blocks.append(_mono(block))
        if file.channels > 1:
            power += np.einsum("tc,tc->c", block, block, dtype=np.float64)
        read += len(block)
        if read > longest:
            raise LongAudioError(f"longer than {longest_s:g} s")
    mono = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    left = np.einsum("t,t->", mono, mono, dtype=np.float64)
    if not left < CANCELLED**2 * power.max():  # also where a sample is NaN
        return mono, False
    loudest = int(power.argmax())
    file.seek(0)
    blocks = []
    while len(block := file.read(step, dtype="float32", always_2d=True)):
        blocks.append(block[:, loudest].copy())
    return np.concatenate(blocks), True


def _mono(samples: np.ndarray) -> np.ndarray:
    """Return the mean [frames] of samples [frames, channels]; one channel stays bit-identical."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    with np.errstate(invalid="ignore"):  # inf - inf: the clip checks see the NaN
        mean: np.ndarray = samples.mean(axis=1, dtype=np.float64).astype(np.float32)
    return mean
