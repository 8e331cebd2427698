"""Perturbations do what their level says, and nothing else: measured on the result."""

import numpy as np
import pytest
from scipy.signal import butter, correlate, sosfiltfilt, welch

from after_ser.core.errors import InputError
from after_ser.core.seeding import rng
from after_ser.data.audio.mix import SAMPLE_RATE, power
from after_ser.studies.robustness.perturb import TALKERS, perturb, room_response
from after_ser.studies.robustness.registry import PERTURBATIONS

LEVELS = {"white": 10, "babble": 10, "reverb": 0.4, "telephone": 3400, "coding": 16}


def speechlike(seconds=1.5, seed=0):
    """Noise of 100 to 7000 Hz, louder and softer three times a second."""
    count = int(seconds * SAMPLE_RATE)
    band = butter(2, [100, 7000], "bandpass", fs=SAMPLE_RATE, output="sos")
    noise = sosfiltfilt(band, np.random.default_rng(seed).normal(size=count))
    slow = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * np.arange(count) / SAMPLE_RATE)
    return (0.1 * noise * slow / noise.std()).astype(np.float32)


CLIP = speechlike()
OTHERS = [speechlike(0.4 + 0.3 * i, 10 + i) for i in range(8)]


def lag(changed):
    found = correlate(changed, CLIP, method="fft")
    return int(np.argmax(found)) - (len(CLIP) - 1)


def test_levels_here_are_of_every_registered_perturbation():
    assert set(LEVELS) == set(PERTURBATIONS)


@pytest.mark.parametrize("kind", ["white", "babble"])
@pytest.mark.parametrize("level", [30, 10, 0, -5])
def test_noise_has_the_snr_asked_for(kind, level):
    noise = perturb(kind, CLIP, level, "c/1", OTHERS).astype(float) - CLIP
    assert 10 * np.log10(power(CLIP) / power(noise)) == pytest.approx(level, abs=0.1)


@pytest.mark.parametrize("kind", ["white", "babble"])
def test_levels_differ_in_nothing_but_the_level(kind):
    loud, soft = (perturb(kind, CLIP, level, "c/1", OTHERS).astype(float) - CLIP
                  for level in (0, 20))  # fmt: skip
    np.testing.assert_allclose(soft, loud / 10, atol=1e-6)


def test_white_noise_is_white():
    noise = perturb("white", CLIP, 0, "c/1") - CLIP
    _, density = welch(noise, SAMPLE_RATE, nperseg=512)
    assert density[5:-5].max() < 2.5 * density[5:-5].min()


def test_babble_is_made_of_six_of_the_other_clips():
    """One of the tones of every chosen clip is in the babble, and of no other clip."""
    seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    pitches = [300 + 200 * i for i in range(9)]
    tones = [np.sin(2 * np.pi * hz * seconds).astype(np.float32) * (0.1 + i) for i, hz in
             enumerate(pitches)]  # fmt: skip
    clip = np.full(SAMPLE_RATE, 0.1, np.float32)
    noise = perturb("babble", clip, 0, "c/1", tones) - clip
    strength = np.abs(np.fft.rfft(noise))[pitches]
    heard = strength > 0.1 * strength.max()
    assert heard.sum() == TALKERS == 6
    # of equal loudness, whatever that of the clips
    assert strength[heard].min() > 0.9 * strength[heard].max()


def test_babble_of_too_few_clips_is_refused():
    with pytest.raises(InputError, match="5 other clips, .* 6"):
        perturb("babble", CLIP, 10, "c/1", OTHERS[:5])


@pytest.mark.parametrize("rt60", [0.2, 0.5, 1.0])
def test_reverberation_time_by_schroeder_integration(rt60):
    response = room_response(rt60, rng("test"))
    decay = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1] / np.sum(response**2))
    use = (decay < -5) & (decay > -35)  # T30
    slope, _ = np.polyfit(np.arange(len(decay))[use] / SAMPLE_RATE, decay[use], 1)
    assert -60 / slope == pytest.approx(rt60, rel=0.1)
    # direct sound and tail of equal energy
    assert response[0] ** 2 == pytest.approx(np.sum(response[1:] ** 2))


def test_reverberation_keeps_loudness_and_does_not_delay():
    wet = perturb("reverb", CLIP, 0.5, "c/1")
    assert power(wet) == pytest.approx(power(CLIP), rel=1e-4)
    assert lag(wet) == 0
    click = np.zeros(8000, np.float32)
    click[1000] = 0.5
    heard = perturb("reverb", click, 0.3, "c/1")
    assert np.abs(heard[:1000]).max() < 1e-6 * heard[1000] and np.argmax(np.abs(heard)) == 1000
    assert np.abs(heard[1001:5000]).max() > 1e-3


def test_telephone_leaves_its_band_and_nothing_else():
    def level(signal, low, high):
        spectrum = np.abs(np.fft.rfft(signal)) ** 2
        hertz = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
        return spectrum[(hertz >= low) & (hertz < high)].sum()

    narrow = perturb("telephone", CLIP, 3400, "c/1")
    for low, high in ((4000, 8001), (0, 200)):
        assert level(narrow, low, high) < 1e-4 * level(CLIP, low, high)
    assert level(narrow, 500, 3000) == pytest.approx(level(CLIP, 500, 3000), rel=0.02)
    assert level(perturb("telephone", CLIP, 2400, "c/1"), 2800, 3400) < 0.05 * level(
        narrow, 2800, 3400
    )
    assert lag(narrow) == 0


def test_coding_changes_the_signal_more_at_fewer_bits_and_keeps_its_place():
    errors = []
    for kbps in (64, 24, 12):
        coded = perturb("coding", CLIP, kbps, "c/1")
        assert lag(coded) == 0
        errors.append(power(coded.astype(float) - CLIP) / power(CLIP))
    assert 1e-4 < errors[0] < errors[1] < errors[2] < 1.5


@pytest.mark.parametrize("kind", sorted(LEVELS))
@pytest.mark.parametrize("count", [1, 30, 4801])
def test_any_length_comes_back_as_it_was_and_the_input_is_not_touched(kind, count):
    clip = CLIP[:count].copy()
    found = perturb(kind, clip, LEVELS[kind], "c/1", OTHERS)
    assert found.shape == clip.shape and found.dtype == np.float32
    assert np.array_equal(clip, CLIP[:count]) and found is not clip
    silent = perturb(kind, np.zeros(count, np.float32), LEVELS[kind], "c/1", OTHERS)
    assert np.abs(silent).max() < 1e-3


@pytest.mark.parametrize("kind", sorted(LEVELS))
def test_the_random_source_is_named_by_kind_and_clip_alone(kind):
    first = perturb(kind, CLIP, LEVELS[kind], "c/1", OTHERS)
    assert np.array_equal(first, perturb(kind, CLIP, LEVELS[kind], "c/1", OTHERS))
    other = perturb(kind, CLIP, LEVELS[kind], "c/2", OTHERS)
    assert np.array_equal(first, other) == (kind in ("telephone", "coding"))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_samples_that_are_not_finite_are_an_error():
    with pytest.raises(ValueError, match="white at 10 .*c/1"):
        perturb("white", np.full(100, np.inf, np.float32), 10, "c/1")
    with pytest.raises(KeyError):
        perturb("hum", CLIP, 10, "c/1")
