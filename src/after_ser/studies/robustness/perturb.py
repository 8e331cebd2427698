"""Ways to degrade a test clip: noise, reverberation, narrow band, coding.

A perturbation takes a clip [T] (float32, 16 kHz), its level, a random source and other clips, which
babble is made of, and returns [T] float32. `registry` says what the levels mean.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, resample_poly, sosfiltfilt

from after_ser.core.errors import InputError
from after_ser.core.seeding import rng as random_source
from after_ser.data.audio.mix import SAMPLE_RATE, Waveform, add_at_snr, power

#: From about six talkers on, no single one can be followed (Krishnamurthy and Hansen 2009).
TALKERS = 6
TELEPHONE_RATE = 8_000
LOWEST_HZ = 300.0
_ORDER = 6  # of the telephone's Butterworth band-pass, which runs forwards and backwards
# libsndfile maps its compression level 0 to 1 on 256 to 6 kbit/s per channel.
HIGHEST_KBPS, LOWEST_KBPS = 256.0, 6.0


def white(
    waveform: Waveform, level: float, rng: np.random.Generator, others: Sequence[Waveform] = ()
) -> Waveform:
    """Return the clip [T] in white noise at an SNR of `level` dB over the whole clip."""
    return add_at_snr(waveform, rng.standard_normal(len(waveform)), level)


def babble(
    waveform: Waveform, level: float, rng: np.random.Generator, others: Sequence[Waveform] = ()
) -> Waveform:
    """Return the clip [T] in babble at an SNR of `level` dB over the whole clip.

    Six of `others`, of equal power, each begun at a random sample and repeated where it is
    shorter than the clip. Raises InputError where there are fewer than six clips.
    """
    if len(others) < TALKERS:
        raise InputError(f"babble: {len(others)} other clips, expected at least {TALKERS}")
    noise = np.zeros(len(waveform))
    for index in rng.choice(len(others), TALKERS, replace=False):
        talker = np.asarray(others[int(index)], np.float64)
        loudness = np.sqrt(power(talker))
        if loudness > 0:
            start = int(rng.integers(len(talker)))
            noise += np.resize(np.roll(talker, -start), len(waveform)) / loudness
    return add_at_snr(waveform, noise, level)


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


def telephone(
    waveform: Waveform, level: float, rng: np.random.Generator, others: Sequence[Waveform] = ()
) -> Waveform:
    """Return the clip [T] at 8 kHz and back, between 300 Hz and `level` Hz (telephony: 3400).

    The filters have no delay, so the clip stays where it is in time.
    """
    narrow = resample_poly(waveform.astype(np.float64), TELEPHONE_RATE, SAMPLE_RATE)
    band = butter(_ORDER, [LOWEST_HZ, level], "bandpass", fs=TELEPHONE_RATE, output="sos")
    padding = min(3 * (2 * len(band) + 1), len(narrow) - 1)
    narrow = sosfiltfilt(band, narrow, padlen=max(padding, 0))
    wide = resample_poly(narrow, SAMPLE_RATE, TELEPHONE_RATE)[: len(waveform)]
    return wide.astype(np.float32)


def coding(
    waveform: Waveform, level: float, rng: np.random.Generator, others: Sequence[Waveform] = ()
) -> Waveform:
    """Return the clip [T] after Opus at about `level` kbit/s (variable bit rate) and back.

    Opus keeps a clip's length and place in time; libsndfile's MP3 does not at low constant rates,
    and its Vorbis ends at 32 kbit/s for speech of this rate. Samples beyond full scale are
    clipped, as an encoder's 16-bit input would be. Raises InputError where libsndfile was built
    without Opus.
    """
    import soundfile

    if "OPUS" not in soundfile.available_subtypes("OGG"):
        raise InputError(
            f"perturbation coding: libsndfile {soundfile.__libsndfile_version__} has no Opus; "
            "expected 1.0.29 or later built with it"
        )
    share = (HIGHEST_KBPS - level) / (HIGHEST_KBPS - LOWEST_KBPS)
    coded = io.BytesIO()
    soundfile.write(
        coded,
        np.clip(waveform, -1, 1),
        SAMPLE_RATE,
        format="OGG",
        subtype="OPUS",
        compression_level=min(max(share, 0.0), 1.0),
    )
    coded.seek(0)
    decoded, rate = soundfile.read(coded, dtype="float32")
    if rate != SAMPLE_RATE or len(decoded) != len(waveform):
        raise ValueError(f"Opus made {len(decoded)} samples at {rate} Hz of {len(waveform)}")
    coded_waveform: Waveform = decoded
    return coded_waveform


PERTURB: Mapping[str, Callable[..., Waveform]] = {
    "white": white,
    "babble": babble,
    "reverb": reverb,
    "telephone": telephone,
    "coding": coding,
}


def perturb(
    kind: str, waveform: Waveform, level: float, utt: str, others: Sequence[Waveform] = ()
) -> Waveform:
    """Return `waveform` [T] (float32, 16 kHz) under `kind` at `level`, again [T] float32.

    others: clips that babble is made of; the same ones in the same order for every model.
    The random source is named by kind and clip, so that every model hears the same noise, and
    levels of one kind differ in nothing but the level. Raises ValueError where the result has
    another shape or type, or is not finite.
    """
    result = PERTURB[kind](waveform, level, random_source("perturb", kind, utt), others)
    if result.shape != waveform.shape or result.dtype != np.float32:
        raise ValueError(f"{kind} made {result.dtype} {result.shape} of {waveform.shape}")
    if not np.isfinite(result).all():
        raise ValueError(f"{kind} at {level:g} made samples of {utt} that are not finite")
    return result
