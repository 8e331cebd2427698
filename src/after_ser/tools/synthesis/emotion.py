"""Emotions as changes of the voice: the centre of each, and how far a clip is from it.

Directions follow the reviews of vocal expression (Scherer 2003; Juslin and Laukka 2003): anger
and joy raise F0 level, range, tempo and energy, anger with a harsh bright source, joy with a
rising lively contour and a smile; sadness lowers them with a breathy dark source and slurred
articulation. Sizes are chosen so that classes overlap.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np

from after_ser.core.errors import InputError
from after_ser.tools.synthesis.speakers import Speaker


@dataclass(frozen=True)
class Expression:
    """Changes relative to a neutral voice, all 0 when neutral.

    f0_level and f0_slope in semitones (slope over the utterance), f0_range, tempo and
    articulation in log2 of a ratio, energy and breath in dB, tilt in octaves of the source's
    cut-off (positive = brighter), jitter in log2, spread in log2 of the formant scale (smile),
    tremor in semitones at 6 Hz, roughness as depth of irregular modulation from period to
    period, pauses as added probability between words.
    """

    f0_level: float = 0.0
    f0_range: float = 0.0
    f0_slope: float = 0.0
    tempo: float = 0.0
    energy: float = 0.0
    tilt: float = 0.0
    jitter: float = 0.0
    breath: float = 0.0
    articulation: float = 0.0
    spread: float = 0.0
    tremor: float = 0.0
    roughness: float = 0.0
    pauses: float = 0.0


DIMENSIONS = len(fields(Expression))

# Standard deviation within a class at full strength, in the units of Expression.
_WITHIN = Expression(1.3, 0.3, 1.4, 0.1, 2.5, 0.4, 0.35, 2.6, 0.16, 0.02, 0.1, 0.06, 0.08)

_BASIC = {
    "neutral": Expression(),
    "anger": Expression(3.4, 0.6, -2.6, 0.24, 6.0, 1.5, 1.0, -6.0, 0.3, 0.0, 0.0, 0.35, -0.1),
    "happy": Expression(5.0, 1.3, 4.5, 0.16, 3.0, 0.2, 0.2, 3.0, 0.1, 0.12, 0.0, 0.0, 0.0),
    "sad": Expression(-1.2, -1.0, -1.6, -0.36, -5.0, -1.7, 0.4, 5.0, -0.45, -0.03, 0.3, 0.0, 0.25),
    "fear": Expression(5.0, -0.2, 1.0, 0.25, 0.0, 0.0, 0.8, 5.0, -0.1, 0.01, 0.8, 0.0, 0.05),
    "disgust": Expression(-1.2, 0.2, -2.5, -0.2, 0.0, 0.3, 1.0, 0.0, 0.2, -0.05, 0.0, 0.15, 0.1),
    "boredom": Expression(-1.5, -0.8, -0.6, -0.3, -3.0, -0.5, 0.0, 1.0, -0.4, -0.01, 0.0, 0.0, 0.1),
    "surprise": Expression(6.0, 1.3, 6.0, 0.05, 2.0, 0.2, 0.0, 2.0, 0.1, 0.03, 0.0, 0.0, 0.0),
}

# Labels of other corpora as weighted mixtures of the basic ones.
_MIXTURES = {
    "frustration": {"anger": 0.55, "sad": 0.3},
    "excitement": {"happy": 1.05, "surprise": 0.1},
    "calm": {"neutral": 0.6, "sad": 0.35},
    "amused": {"happy": 0.8, "neutral": 0.2},
    "sleepy": {"boredom": 0.7, "sad": 0.4},
    "other": {"neutral": 0.6, "disgust": 0.3},
}

# Valence, arousal, dominance on IEMOCAP's scale of 1 to 5, as raters would give them on average.
_RATINGS = {
    "neutral": (3.0, 2.6, 2.9),
    "anger": (1.8, 3.8, 4.0),
    "happy": (4.1, 3.3, 3.2),
    "sad": (2.1, 2.1, 2.6),
    "fear": (2.1, 3.4, 2.2),
    "disgust": (2.1, 2.8, 3.3),
    "boredom": (2.5, 1.7, 2.5),
    "surprise": (3.1, 3.6, 2.9),
    "frustration": (2.2, 3.0, 3.2),
    "excitement": (4.1, 3.9, 3.4),
    "calm": (3.2, 2.0, 2.9),
    "amused": (3.9, 3.2, 3.1),
    "sleepy": (2.8, 1.5, 2.3),
    "other": (2.7, 2.8, 2.9),
}

EMOTIONS = tuple(_RATINGS)


def _vector(expression: Expression) -> np.ndarray:
    return np.array(astuple(expression))


def centre(emotion: str) -> np.ndarray:
    """Return the class centre [DIMENSIONS]; raises InputError for an unknown emotion."""
    if emotion in _BASIC:
        return _vector(_BASIC[emotion])
    if emotion in _MIXTURES:
        parts = _MIXTURES[emotion]
        return np.sum([weight * _vector(_BASIC[name]) for name, weight in parts.items()], axis=0)
    raise InputError(f"emotion: {emotion!r} is unknown; expected one of {', '.join(EMOTIONS)}")


def express(
    emotion: str, speaker: Speaker, draw: np.random.Generator, strength: float = 1.0
) -> Expression:
    """Return how `speaker` says one clip with `emotion`, drawn around the class centre.

    `strength` is the corpus's: acted speech is expressed more strongly than spontaneous speech.
    """
    intensity = strength * speaker.expressivity * float(np.exp(draw.normal(0.0, 0.25)))
    noise = draw.normal(0.0, 1.0, DIMENSIONS)
    values = intensity * np.array(speaker.habit) * centre(emotion) + noise * _vector(_WITHIN)
    return _expression(values)


def improvise(speaker: Speaker, draw: np.random.Generator) -> Expression:
    """Return a random mixture of all basic emotions: unlabelled speech of no one class."""
    weights = draw.dirichlet(np.full(len(_BASIC), 0.5))
    intensity = speaker.expressivity * draw.uniform(0.3, 1.5)
    mixture = np.sum(
        [w * _vector(e) for w, e in zip(weights, _BASIC.values(), strict=True)], axis=0
    )
    noise = draw.normal(0.0, 1.2, DIMENSIONS) * _vector(_WITHIN)
    return _expression(intensity * np.array(speaker.habit) * mixture + noise)


def _expression(values: np.ndarray) -> Expression:
    # Depths and probabilities cannot be negative, nor a voice modulated away entirely.
    limits = {
        "tremor": (0.0, 1.5),
        "roughness": (0.0, 0.6),
        "f0_level": (-6.0, 10.0),
        "f0_range": (-2.0, 1.8),
        "tempo": (-0.7, 0.6),
        "tilt": (-2.0, 2.0),
        "jitter": (-1.0, 2.0),
        "breath": (-12.0, 14.0),
    }
    result = {}
    for field, value in zip(fields(Expression), values, strict=True):
        low, high = limits.get(field.name, (-np.inf, np.inf))
        result[field.name] = float(np.clip(value, low, high))
    return Expression(**result)


def ratings(emotion: str, raters: int, draw: np.random.Generator) -> np.ndarray:
    """Return integer ratings [raters, 3] of valence, arousal, dominance on a scale of 1 to 5."""
    mean = np.array(_RATINGS[emotion])
    clip_offset = draw.normal(0.0, 0.3, 3)
    scores = mean + clip_offset + draw.normal(0.0, 0.45, (raters, 3))
    return np.clip(np.rint(scores), 1, 5).astype(int)
