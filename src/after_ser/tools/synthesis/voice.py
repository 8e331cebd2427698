"""Source-filter synthesis: glottal pulses and noise, shaped by a moving vocal tract.

A clip is built from tracks with one value per 5 ms frame (F0, formants, levels). Fractionally
placed impulses and white noise are the sources; every frame's source is multiplied by that
frame's frequency response (glottal shape, formant cascade, friction) and overlap-added, so that
the whole clip is a handful of array operations (Klatt 1980 describes the model).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, rfft
from scipy.ndimage import gaussian_filter1d

from after_ser.tools.synthesis.emotion import Expression
from after_ser.tools.synthesis.phonemes import Phoneme, Syllable
from after_ser.tools.synthesis.speakers import Speaker

SAMPLE_RATE = 16_000
_HOP = 80  # 5 ms
_NFFT = 12 * _HOP  # room for 50 ms of ringing after each 10 ms frame
_SCHWA = (500.0, 1450.0, 2500.0)
_BANDWIDTHS = (70.0, 95.0, 140.0)
_SPEECH_LIMITS = (0.85, 2.25)  # seconds without the silence around it


@dataclass(frozen=True)
class _Event:
    """A phoneme (None = pause) from start to end, in seconds."""

    phoneme: Phoneme | None
    start: float
    end: float
    stressed: bool


def render(
    sentence: list[Syllable], speaker: Speaker, expression: Expression, draw: np.random.Generator
) -> np.ndarray:
    """Return one spoken sentence: float32 [samples] at 16 kHz, RMS 1 at 0 dB of energy.

    Lasts between 1.0 and 2.5 s, silence before and after included.
    """
    lead, tail = draw.uniform(0.07, 0.12, 2)
    events = _timing(sentence, speaker, expression, lead, draw)
    end = events[-1].end
    frames = int(np.ceil((end + tail) * SAMPLE_RATE / _HOP))
    times = np.arange(frames) * _HOP / SAMPLE_RATE
    tracks = _segment_tracks(events, times, expression)
    f0 = _f0_track(events, times, speaker, expression, draw)
    tracks["voicing"] += _loudness_track(events, times, expression)
    pulses, phase = _pulses(f0, _amplitude(tracks["voicing"]), speaker, expression, draw)
    wave = _filter(tracks, f0, pulses, phase, speaker, expression, draw)
    inside = wave[int(lead * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
    level = 10 ** (expression.energy / 20) / np.sqrt(np.mean(inside**2))
    return (wave * level).astype(np.float32)


def _timing(
    sentence: list[Syllable],
    speaker: Speaker,
    expression: Expression,
    lead: float,
    draw: np.random.Generator,
) -> list[_Event]:
    tempo = speaker.rate * 2**expression.tempo
    spans: list[tuple[Phoneme | None, float, bool]] = []
    for number, syllable in enumerate(sentence):
        last = number == len(sentence) - 1
        for phoneme in syllable.phonemes:
            # Vowels give way to tempo more than consonants do; phrases slow down at their end.
            duration = phoneme.duration / tempo ** (1.2 if phoneme.vowel else 0.75)
            duration *= np.exp(draw.normal(0.0, 0.08)) * (1.35 if last else 1.0)
            spans.append((phoneme, float(duration), syllable.stressed))
        if syllable.word_end and not last and draw.random() < 0.06 + expression.pauses:
            spans.append((None, float(draw.uniform(0.08, 0.16) / tempo), False))
    total = sum(span[1] for span in spans)
    scale = float(np.clip(total, *_SPEECH_LIMITS)) / total
    events = []
    now = lead
    for phoneme_or_pause, duration, stressed in spans:
        events.append(_Event(phoneme_or_pause, now, now + duration * scale, stressed))
        now += duration * scale
    return events


def _segment_tracks(
    events: list[_Event], times: np.ndarray, expression: Expression
) -> dict[str, np.ndarray]:
    """Interpolate the phonemes' targets: formants glide, levels switch within a few ms."""
    precision = float(np.clip(2**expression.articulation, 0.35, 1.25))
    spoken = [event for event in events if event.phoneme is not None]
    glide: list[float] = []
    shapes: list[list[float]] = []
    for event in spoken:
        phoneme = event.phoneme
        assert phoneme is not None
        margin = 0.3 * (event.end - event.start)
        targets = [s + precision * (f - s) for f, s in zip(phoneme.formants, _SCHWA, strict=True)]
        row = [*targets, phoneme.bandwidth, phoneme.friction_centre, phoneme.friction_width]
        glide += [event.start + margin, event.end - margin]
        shapes += [row, row]
    table = np.array(shapes)
    names = ("f1", "f2", "f3", "bandwidth", "friction_centre", "friction_width")
    tracks = {name: np.interp(times, glide, table[:, i]) for i, name in enumerate(names)}
    index = np.searchsorted([event.start for event in events], times, side="right") - 1
    inside = (index >= 0) & (times < events[-1].end)
    for name in ("voicing", "aspiration", "friction"):
        levels = np.array(
            [-60.0 if e.phoneme is None else float(getattr(e.phoneme, name)) for e in events]
        )
        stepped = np.where(inside, levels[np.maximum(index, 0)], -60.0)
        # Smoothing amplitudes, not dB, keeps the onsets of stops and fricatives sharp.
        smooth = gaussian_filter1d(_amplitude(stepped), 1.2)
        tracks[name] = 20 * np.log10(np.maximum(smooth, 1e-4))
    return tracks


def _amplitude(decibel: np.ndarray) -> np.ndarray:
    """Return amplitudes; -60 dB and below stand for silence."""
    return np.where(decibel <= -59.0, 0.0, 10 ** (decibel / 20))


def _position(events: list[_Event], times: np.ndarray) -> np.ndarray:
    """Return how far into the utterance each time is, 0..1."""
    start, end = events[0].start, events[-1].end
    return np.clip((times - start) / (end - start), 0.0, 1.0)


def _accents(events: list[_Event]) -> list[float]:
    return [
        (event.start + event.end) / 2
        for event in events
        if event.stressed and event.phoneme is not None and event.phoneme.vowel
    ]


def _f0_track(
    events: list[_Event],
    times: np.ndarray,
    speaker: Speaker,
    expression: Expression,
    draw: np.random.Generator,
) -> np.ndarray:
    """F0 in Hz: level, declination, slope, accents on stressed vowels, drift, tremor."""
    position = _position(events, times)
    span = 2**expression.f0_range
    semitones = expression.f0_level + (expression.f0_slope - 1.5) * (position - 0.5)
    for accent in _accents(events):
        height = 2.6 * span * draw.uniform(0.5, 1.4)
        semitones = semitones + height * np.exp(-0.5 * ((times - accent - 0.02) / 0.07) ** 2)
    # The boundary tone is where falling and rising utterances differ most.
    final = np.clip((position - 0.75) / 0.25, 0.0, 1.0) ** 2
    semitones = semitones + final * (0.8 * expression.f0_slope - 1.5 * span)
    drift = gaussian_filter1d(draw.normal(0.0, 1.0, len(times)), 12, mode="nearest")
    semitones = semitones + drift * 0.35 / (np.std(drift) + 1e-9)
    rate = draw.uniform(5.0, 7.0)
    semitones = semitones + expression.tremor * np.sin(2 * np.pi * (rate * times + draw.uniform()))
    return np.clip(speaker.f0 * 2 ** (semitones / 12), 55.0, 620.0)


def _loudness_track(events: list[_Event], times: np.ndarray, expression: Expression) -> np.ndarray:
    """Level in dB within the utterance: stress, and the fall towards the end."""
    loudness = -3.0 * _position(events, times) ** 2 * (1.0 if expression.energy < 3 else 0.5)
    for accent in _accents(events):
        strength = 2.0 + 2.0 * np.tanh(expression.f0_range)
        loudness = loudness + strength * np.exp(-0.5 * ((times - accent) / 0.07) ** 2)
    return loudness


def _pulses(
    f0: np.ndarray,
    amplitude: np.ndarray,
    speaker: Speaker,
    expression: Expression,
    draw: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the train of band-limited impulses and the phase in periods, both [samples]."""
    samples = len(f0) * _HOP
    at = np.arange(samples) / _HOP
    phase = np.cumsum(np.interp(at, np.arange(len(f0)), f0)) / SAMPLE_RATE
    count = int(phase[-1])
    moments = np.interp(np.arange(1, count + 1), phase, np.arange(samples))
    frames = moments / _HOP
    pitch = np.interp(frames, np.arange(len(f0)), f0)
    level = np.interp(frames, np.arange(len(f0)), amplitude)
    period = SAMPLE_RATE / pitch
    jitter = speaker.jitter * 2**expression.jitter
    moments = moments + draw.normal(0.0, 1.0, count) * np.minimum(jitter, 0.04) * period
    # Random signs: alternating ones would be heard as a voice an octave lower.
    rough = expression.roughness * draw.choice([-1.0, 1.0], count)
    moments = moments + 0.03 * rough * period
    level = level * (1 + draw.normal(0.0, 1.0, count) * speaker.shimmer) * (1 + 0.7 * rough)
    level = level * np.sqrt(period)  # unit power per sample at any F0
    return _impulses(moments, level, samples), phase


def _impulses(moments: np.ndarray, level: np.ndarray, samples: int) -> np.ndarray:
    """Place impulses at fractional sample positions by windowed sinc interpolation."""
    half = 8
    whole = np.floor(moments).astype(int)
    offsets = np.arange(-half + 1, half + 1)
    distance = offsets[None, :] - (moments - whole)[:, None]
    taps = np.sinc(distance) * np.cos(np.pi * distance / (2 * half + 1)) ** 2
    position = np.clip(whole[:, None] + offsets[None, :], 0, samples - 1)
    weights = taps * level[:, None]
    return np.bincount(position.ravel(), weights.ravel(), minlength=samples)


def _delays() -> tuple[np.ndarray, np.ndarray]:
    angle = 2 * np.pi * np.arange(_NFFT // 2 + 1) / _NFFT
    return np.exp(-1j * angle).astype(np.complex64), np.exp(-2j * angle).astype(np.complex64)


_Z1, _Z2 = _delays()
_DIFFERENTIATOR = 1 - np.float32(0.98) * _Z1


def _resonance(frequency: np.ndarray, bandwidth: np.ndarray) -> np.ndarray:
    """Inverse response [frames, bins] of a two-pole resonator with gain 1 at 0 Hz."""
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    first = -2 * radius * np.cos(2 * np.pi * frequency / SAMPLE_RATE)
    second = radius**2
    gain = 1 + first + second
    inverse = (first / gain).astype(np.float32)[:, None] * _Z1
    inverse += (second / gain).astype(np.float32)[:, None] * _Z2
    inverse += (1 / gain).astype(np.float32)[:, None]
    return inverse


def _filter(
    tracks: dict[str, np.ndarray],
    f0: np.ndarray,
    pulses: np.ndarray,
    phase: np.ndarray,
    speaker: Speaker,
    expression: Expression,
    draw: np.random.Generator,
) -> np.ndarray:
    """Shape the three sources frame by frame and overlap-add them."""
    frames = len(f0)
    samples = frames * _HOP
    at = np.arange(samples) / _HOP
    # Breath noise is strongest while the glottis is open, hence modulated within each period.
    voiced = _amplitude(tracks["voicing"]) * 10 ** ((speaker.breath + expression.breath - 21) / 20)
    breath = np.interp(at, np.arange(frames), voiced) * (1 + 0.6 * np.cos(2 * np.pi * phase))
    breath += np.interp(at, np.arange(frames), _amplitude(tracks["aspiration"]))
    friction = np.interp(at, np.arange(frames), _amplitude(tracks["friction"]))
    spectra = [
        _spectra(source)
        for source in (
            pulses,
            breath * draw.normal(0.0, 1.0, samples),
            friction * draw.normal(0.0, 1.0, samples),
        )
    ]
    scale = speaker.tract * 2**expression.spread
    tract = _tract(tracks, speaker, scale)
    output = spectra[0] * _glottis(f0, speaker.tilt + expression.tilt)
    output += spectra[1]
    output /= tract
    centre = np.minimum(tracks["friction_centre"] * np.sqrt(scale), 7000.0)
    noise = _resonance(centre, tracks["friction_width"])
    output += spectra[2] * (_DIFFERENTIATOR * np.float32(0.7)) / noise
    return _overlap_add(output, samples)


def _spectra(source: np.ndarray) -> np.ndarray:
    """Spectra [frames, bins] of 10 ms Hann windows at a 5 ms hop (they add up to 1)."""
    window = np.sin(np.pi * (np.arange(2 * _HOP) + 0.5) / (2 * _HOP)) ** 2
    blocks = source.reshape(-1, _HOP)
    following = np.vstack([blocks[1:], np.zeros((1, _HOP))])
    framed = np.hstack([blocks, following]) * window
    return np.asarray(rfft(framed.astype(np.float32), _NFFT, axis=1))


def _tract(tracks: dict[str, np.ndarray], speaker: Speaker, scale: float) -> np.ndarray:
    """Inverse response of the formant cascade, its fixed upper formants included."""
    widen = tracks["bandwidth"]
    inverse = _resonance(tracks["f1"] * scale, _BANDWIDTHS[0] * widen)
    for name, width in (("f2", _BANDWIDTHS[1]), ("f3", _BANDWIDTHS[2])):
        inverse *= _resonance(np.minimum(tracks[name] * scale, 4500.0), width * widen)
    for number, formant in enumerate(speaker.higher_formants):
        frequency = formant * scale
        if frequency < 7800.0:
            width = 180.0 + 60.0 * number
            inverse *= _resonance(np.array([frequency]), np.array([width]))
    return inverse


def _glottis(f0: np.ndarray, tilt: float) -> np.ndarray:
    """Spectrum of the glottal flow's derivative, unit power per frame (LF-like).

    A strongly damped resonance near F0 (the glottal formant) falls at 6 dB per octave; above a
    cut-off that `tilt` moves (octaves around 2 kHz) it falls by another 12 dB per octave. A
    pressed voice also opens for a shorter part of the period, which raises the glottal formant.
    """
    opening = f0 * 1.15 * 2 ** (0.3 * tilt)
    response = _DIFFERENTIATOR / _resonance(opening, 0.9 * opening)
    pole = np.float32(np.exp(-2 * np.pi * 2000.0 * 2**tilt / SAMPLE_RATE))
    response *= ((1 - pole) / (1 - pole * _Z1)) ** 2
    power = np.sqrt(np.mean(np.abs(response) ** 2, axis=1, keepdims=True))
    return np.asarray(response / power)


def _overlap_add(spectra: np.ndarray, samples: int) -> np.ndarray:
    parts = np.asarray(irfft(spectra, _NFFT, axis=1)).reshape(len(spectra), -1, _HOP)
    output = np.zeros((len(spectra) + parts.shape[1], _HOP), dtype=np.float64)
    for delay in range(parts.shape[1]):
        output[delay : delay + len(spectra)] += parts[:, delay]
    return output.ravel()[:samples]
