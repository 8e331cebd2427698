"""Reading whatever libsndfile reads, as mono."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from after_ser.core.errors import InputError
from after_ser.data.audio.read import UnreadableAudioError, read_clip
from tests.data.corpora_trees import noise


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000, 96000])
@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [
        ("PCM_U8", 1 / 127),
        ("PCM_16", 1 / 32767),
        ("PCM_24", 1e-6),
        ("PCM_32", 1e-6),
        ("FLOAT", 1e-7),
        ("DOUBLE", 1e-7),
    ],
)
def test_wav_subtypes_and_rates(tmp_path: Path, subtype: str, tolerance: float, rate: int) -> None:
    samples = noise(0.3, rate)
    sf.write(tmp_path / "x.wav", samples, rate, subtype=subtype)
    clip = read_clip(tmp_path / "x.wav")
    assert (clip.sample_rate, clip.channels) == (rate, 1)
    assert clip.duration_s == pytest.approx(0.3)
    assert clip.samples.dtype == np.float32 and clip.samples.shape == samples.shape
    assert np.abs(clip.samples - samples).max() <= tolerance


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3", "aiff"])
def test_other_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mit Leer 'und' \"é\".{suffix.upper()}"
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32000) / 32000)
    sf.write(path, tone, 32000, format=suffix.upper())
    clip = read_clip(path)
    assert clip.sample_rate == 32000
    assert clip.duration_s == pytest.approx(1.0, abs=0.1)
    assert np.sqrt(np.mean(clip.samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


def test_channels_become_their_mean(tmp_path: Path) -> None:
    left, right = noise(seed=1), noise(seed=2)
    sf.write(tmp_path / "x.wav", np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    clip = read_clip(tmp_path / "x.wav")
    assert clip.channels == 2
    assert clip.samples == pytest.approx((left + right) / 2, abs=1e-7)
    sf.write(tmp_path / "y.wav", np.stack([left, right, left], axis=1), 16000, subtype="FLOAT")
    assert read_clip(tmp_path / "y.wav").samples == pytest.approx((2 * left + right) / 3, abs=1e-7)


def test_no_samples(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"")
    assert len(read_clip(tmp_path / "x.wav").samples) == 0
    sf.write(tmp_path / "y.wav", np.zeros(0), 44100)
    assert len(read_clip(tmp_path / "y.wav").samples) == 0


def encoded(suffix: str) -> bytes:
    data = io.BytesIO()
    sf.write(data, noise(2.0), 16000, format=suffix.upper())
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.wav", b"this is no audio" * 100, "cannot be decoded"),
        ("x.flac", b"\x00\xff" * 1000, "cannot be decoded"),
        ("x.mp3", b"text" * 1000, "cannot be decoded"),
        ("x.wav", encoded("wav")[:20000], "ends after 20000 of"),
        ("x.flac", encoded("flac")[:20000], "cannot be decoded|ends after"),
        (
            "x.wav",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "Git LFS pointer",
        ),
    ],
)
def test_broken_files_say_why(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableAudioError, match=message) as error:
        read_clip(tmp_path / name)
    assert str(tmp_path) not in str(error.value), "the reason would differ between machines"


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_wav_from_a_pipe_is_whole(tmp_path: Path, length: int) -> None:
    data = bytearray(encoded("wav"))
    data[4:8] = data[40:44] = length.to_bytes(4, "little")
    (tmp_path / "x.wav").write_bytes(bytes(data))
    try:
        assert len(read_clip(tmp_path / "x.wav").samples) in (0, 32000)
    except UnreadableAudioError as error:
        assert "ends after" not in str(error)


def test_a_plain_wave_file_of_the_standard_library(tmp_path: Path) -> None:
    values = np.array([0, 1, -1, 32767, -32768] * 2000, np.int16)
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setparams((1, 2, 16000, len(values), "NONE", ""))
        file.writeframes(values.tobytes())
    assert np.array_equal(read_clip(tmp_path / "x.wav").samples * 32768, values)


def test_a_missing_file_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.wav does not exist"):
        read_clip(tmp_path / "gone.wav")


@pytest.mark.parametrize("factor", [-1.0, -0.98])
def test_where_channels_cancel_each_other_the_loudest_is_taken(tmp_path, factor):
    left = noise(0.5)
    sf.write(tmp_path / "x.wav", np.stack([left * factor, left], 1), 16000, subtype="FLOAT")
    clip = read_clip(tmp_path / "x.wav")
    assert clip.cancelled and clip.channels == 2
    assert np.array_equal(
        clip.samples, left.astype(np.float32) * np.float32(1 if factor > -1 else -1)
    )


@pytest.mark.parametrize("right", [0.0, 0.5, -0.5])
def test_other_channels_become_their_mean(tmp_path, right):
    left = noise(0.5)
    sf.write(tmp_path / "x.wav", np.stack([left, left * right], 1), 16000, subtype="FLOAT")
    clip = read_clip(tmp_path / "x.wav")
    assert not clip.cancelled
    assert np.allclose(clip.samples, left * (1 + right) / 2, atol=1e-6)
