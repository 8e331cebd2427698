"""Recording conditions: microphone and room of a corpus, and the noise of a single clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt

from after_ser.tools.synthesis.voice import SAMPLE_RATE


@dataclass(frozen=True)
class Channel:
    """How a corpus was recorded.

    `low` and `high` are band limits in Hz; `level` is the typical speech level in dB of full
    scale, `level_spread` its standard deviation per clip; `snr` and `snr_spread` in dB; `colour`
    is the noise's spectral slope in powers of 1/f (0 = white); `hum` the mains frequency (0 =
    none); `echo` the level of a short room reflection (ratio).
    """

    low: float
    high: float
    level: float
    level_spread: float
    snr: float
    snr_spread: float
    colour: float
    hum: float = 0.0
    echo: float = 0.0


def record(
    wave: np.ndarray, channel: Channel, sample_rate: int, draw: np.random.Generator
) -> np.ndarray:
    """Return `wave` [samples at 16 kHz, RMS 1 = ordinary effort] as recorded.

    The result is float64 at `sample_rate` within -1..1.
    """
    sos = butter(2, (channel.low, channel.high), "bandpass", fs=SAMPLE_RATE, output="sos")
    speech = sosfilt(sos, wave)
    if channel.echo:
        delay = int(0.017 * SAMPLE_RATE)
        speech[delay:] += channel.echo * speech[:-delay]
    level = draw.normal(channel.level, channel.level_spread)
    snr = float(np.clip(draw.normal(channel.snr, channel.snr_spread), 5.0, 60.0))
    # The room's noise does not follow the speaker's effort: a soft voice has a lower SNR.
    noise = _noise(len(speech), channel, draw) * 10 ** (-snr / 20)
    mixture = (speech + noise) * 10 ** (level / 20)
    if sample_rate != SAMPLE_RATE:
        factor = np.gcd(sample_rate, SAMPLE_RATE)
        mixture = resample_poly(mixture, sample_rate // factor, SAMPLE_RATE // factor)
        mixture = mixture + draw.normal(0.0, 3e-5, len(mixture))
    # A limiter rather than wrapped or clipped samples on the loudest shouts.
    peak = np.max(np.abs(mixture))
    return np.asarray(mixture * min(1.0, 0.97 / peak))


def copy_with_noise(recorded: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return a near-duplicate: the same take, slightly quieter, with noise 35 dB below it."""
    power = np.sqrt(np.mean(recorded**2))
    return recorded * 0.96 + draw.normal(0.0, power * 10 ** (-35 / 20), len(recorded))


def _noise(samples: int, channel: Channel, draw: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(draw.normal(0.0, 1.0, samples))
    frequency = np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE), 40.0)
    noise = np.fft.irfft(spectrum * frequency ** (-channel.colour / 2), samples)
    noise = noise / np.sqrt(np.mean(noise**2))
    if channel.hum:
        time = np.arange(samples) / SAMPLE_RATE
        for harmonic in (1, 3):
            angle = 2 * np.pi * (channel.hum * harmonic * time + draw.uniform())
            noise = noise + 0.5 / harmonic * np.sin(angle)
    return np.asarray(noise)
