"""The resampler: nothing aliases, nothing below 7 kHz is lost, 16 kHz stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from after_ser.data.audio.resample import ratio, resample


def gain_db(rate: int, hertz: float) -> float:
    """Return by how much a tone of `hertz` at `rate` is louder after resampling to 16 kHz."""
    time = np.arange(rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
    inner = resample(tone, rate)[2000:-2000]
    return float(20 * np.log10(np.sqrt(np.mean(inner**2.0)) / (0.5 / np.sqrt(2)) + 1e-12))


@pytest.mark.parametrize("rate", [22050, 32000, 44100, 48000, 96000])
def test_tones_above_8_khz_are_gone(rate: int) -> None:
    tones = [8010, 8100, 8500, 9000, 10000, 12000, 15900, 16100, 20000, 23900, 32100, 47000]
    assert max(gain_db(rate, hertz) for hertz in tones if hertz < rate / 2) < -60


@pytest.mark.parametrize("rate", [22050, 24000, 44100, 48000, 96000])
def test_the_pass_band_is_flat_to_7_khz(rate: int) -> None:
    assert max(abs(gain_db(rate, hertz)) for hertz in (50, 440, 1000, 3000, 5000, 7000)) < 0.5


@pytest.mark.parametrize("rate", [11127, 22255, 24414, 44101, 48828, 383_999])
def test_a_rate_with_few_factors_in_common_is_resampled_as_its_neighbours_are(rate: int) -> None:
    """TESS has 24,414 Hz; the exact filter of 44,101 Hz would take 5 GB."""
    assert abs(gain_db(rate, 1500)) < 0.5
    if rate > 30000:
        assert gain_db(rate, 9000) < -60
    time, out = np.arange(rate * 3) / rate, np.arange(16000 * 3) / 16000
    tone = np.sin(2 * np.pi * 1000 * time).astype(np.float32)
    kept = resample(tone, rate)
    assert len(kept) == 48000
    # after three seconds the tone is where it was, within an eighth of its period
    assert np.abs(kept - np.sin(2 * np.pi * 1000 * out))[1000:-1000].max() < 0.75


def test_the_filter_of_every_rate_is_small_and_its_pitch_right() -> None:
    for rate in (*range(4000, 60_000), *range(60_000, 384_001, 7)):
        near = ratio(rate)
        assert near.numerator * near.denominator <= 1_000_000
        assert abs(near * rate / 16000 - 1) <= 0.0005
    assert ratio(44100) == ratio(88200) * 2
    assert abs(ratio(24414) * 24414 / 16000 - 1) < 3e-6


@pytest.mark.parametrize("rate", [8000, 11025])
def test_upsampling_keeps_the_band_and_makes_no_images(rate: int) -> None:
    assert abs(gain_db(rate, 3000)) < 0.5
    tone = np.sin(2 * np.pi * 3000 * np.arange(rate) / rate).astype(np.float32)
    inner = resample(tone, rate)[2000:-2000]
    spectrum = np.abs(np.fft.rfft(inner * np.hanning(len(inner))))
    hertz = np.fft.rfftfreq(len(inner), 1 / 16000)
    assert spectrum[np.abs(hertz - 3000) > 100].max() / spectrum.max() < 1e-3


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_length_and_type(rate: int) -> None:
    samples = np.zeros(rate + 7, np.float32)
    resampled = resample(samples, rate)
    assert len(resampled) == -(-len(samples) * 16000 // rate)
    assert resampled.dtype == np.float32


def test_16_khz_is_untouched_and_threads_are_given_back() -> None:
    samples = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    assert np.array_equal(resample(samples, 16000), samples)
    before = torch.get_num_threads()
    resample(samples, 48000)
    assert torch.get_num_threads() == before


def test_it_is_a_delay_free_copy_of_a_band_limited_signal() -> None:
    time48, time16 = np.arange(48000) / 48000, np.arange(16000) / 16000

    def signal(time: np.ndarray) -> np.ndarray:
        return sum(np.sin(2 * np.pi * hertz * time + hertz) for hertz in (200, 1700, 5300)) / 4

    resampled = resample(signal(time48).astype(np.float32), 48000)
    assert np.abs(resampled - signal(time16))[200:-200].max() < 1e-4
