"""Phoneme inventories, and sentences made of them: the "text" of synthetic speech.

Formant targets are rounded textbook values for an adult male voice (Peterson and Barney 1952 for
vowels, Klatt 1980 for consonants); `voice` scales them by the speaker's vocal tract.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from after_ser.core.seeding import rng


@dataclass(frozen=True)
class Phoneme:
    """Acoustic targets of one sound; frequencies in Hz, levels in dB, duration in seconds."""

    name: str
    formants: tuple[float, float, float]
    duration: float
    voicing: float = -60.0
    aspiration: float = -60.0
    friction: float = -60.0
    friction_centre: float = 4000.0
    friction_width: float = 1500.0
    bandwidth: float = 1.0
    vowel: bool = False


def _vowel(name: str, f1: float, f2: float, f3: float) -> Phoneme:
    return Phoneme(name, (f1, f2, f3), 0.105, voicing=0.0, vowel=True)


_VOWELS = {
    v.name: v
    for v in (
        _vowel("i", 280, 2250, 2950),
        _vowel("I", 390, 1990, 2550),
        _vowel("e", 400, 2080, 2600),
        _vowel("E", 530, 1840, 2480),
        _vowel("ae", 660, 1720, 2410),
        _vowel("a", 730, 1270, 2440),
        _vowel("A", 710, 1080, 2440),
        _vowel("O", 570, 840, 2410),
        _vowel("o", 430, 790, 2400),
        _vowel("U", 440, 1020, 2240),
        _vowel("u", 300, 870, 2240),
        _vowel("@", 500, 1400, 2450),
        _vowel("y", 280, 1750, 2150),
        _vowel("oe", 420, 1500, 2250),
        _vowel("r=", 490, 1350, 1690),
    )
}


def _fricative(name: str, f2: float, centre: float, width: float, level: float) -> Phoneme:
    return Phoneme(
        name, (320, f2, 2600), 0.085, friction=level, friction_centre=centre, friction_width=width
    )


def _sonorant(name: str, f1: float, f2: float, f3: float, level: float, width: float) -> Phoneme:
    return Phoneme(name, (f1, f2, f3), 0.065, voicing=level, bandwidth=width)


_CONSONANTS = {
    c.name: c
    for c in (
        _sonorant("m", 260, 1050, 2200, -9, 2.2),
        _sonorant("n", 260, 1500, 2500, -9, 2.2),
        _sonorant("ng", 260, 1900, 2700, -10, 2.2),
        _sonorant("l", 350, 1100, 2700, -6, 1.4),
        _sonorant("r", 400, 1200, 1650, -6, 1.4),
        _sonorant("w", 320, 750, 2300, -7, 1.2),
        _sonorant("j", 290, 2150, 2900, -7, 1.2),
        _fricative("s", 1700, 6200, 1800, -9),
        _fricative("S", 1850, 3300, 1400, -8),
        _fricative("f", 1100, 5200, 5000, -21),
        _fricative("th", 1350, 5800, 4500, -21),
        _fricative("x", 1200, 1500, 900, -14),
        replace(_fricative("z", 1700, 6200, 1800, -17), voicing=-14.0, duration=0.065),
        replace(_fricative("v", 1100, 5200, 5000, -27), voicing=-11.0, duration=0.055),
        replace(_fricative("Z", 1850, 3300, 1400, -16), voicing=-13.0, duration=0.065),
        Phoneme("h", (520, 1450, 2500), 0.055, aspiration=-8.0, bandwidth=1.6),
    )
}

# A stop is a closure (for voiced ones with a voice bar) followed by a short burst of noise.
_BURSTS = {
    "p": (300.0, 1000.0, 1100.0, 1500.0, False),
    "t": (300.0, 1700.0, 4400.0, 2200.0, False),
    "k": (300.0, 1900.0, 2200.0, 1100.0, False),
    "b": (250.0, 1000.0, 1000.0, 1500.0, True),
    "d": (250.0, 1700.0, 4000.0, 2200.0, True),
    "g": (250.0, 1900.0, 2000.0, 1100.0, True),
}


def _stop(name: str) -> tuple[Phoneme, ...]:
    f1, f2, centre, width, voiced = _BURSTS[name]
    closure = Phoneme(
        name + "-", (f1, f2, 2500), 0.05, voicing=-22.0 if voiced else -60.0, bandwidth=1.5
    )
    burst = Phoneme(
        name,
        (f1 + 100, f2, 2500),
        0.014 if voiced else 0.03,
        voicing=-12.0 if voiced else -60.0,
        aspiration=-60.0 if voiced else -15.0,
        friction=-17.0 if voiced else -12.0,
        friction_centre=centre,
        friction_width=width,
        bandwidth=1.4,
    )
    return closure, burst


@dataclass(frozen=True)
class Inventory:
    """The sounds and rhythm of one language or accent.

    `vowel_shift` multiplies (F1, F2) of every vowel and makes an accent; `coda` is the
    probability of a closed syllable, `cluster` of a two-consonant onset, `stress` the
    lengthening of stressed syllables (ratio).
    """

    vowels: tuple[str, ...]
    onsets: tuple[str, ...]
    codas: tuple[str, ...]
    coda: float
    cluster: float
    stress: float
    vowel_shift: tuple[float, float] = (1.0, 1.0)


_LANGUAGES = {
    "en": Inventory(
        ("i", "I", "E", "ae", "A", "O", "U", "u", "@", "r="),
        ("p", "t", "k", "b", "d", "g", "m", "n", "l", "r", "w", "j", "s", "S", "f", "th", "h", "v"),
        ("t", "k", "d", "n", "m", "ng", "s", "z", "l", "v"),
        coda=0.5,
        cluster=0.15,
        stress=1.5,
    ),
    "de": Inventory(
        ("i", "I", "e", "E", "a", "O", "o", "U", "u", "@", "y", "oe"),
        ("p", "t", "k", "b", "d", "g", "m", "n", "l", "r", "j", "z", "S", "f", "h", "v"),
        ("t", "k", "x", "n", "m", "ng", "s", "S", "l", "f"),
        coda=0.55,
        cluster=0.2,
        stress=1.4,
    ),
    "fa": Inventory(
        ("i", "e", "ae", "A", "o", "u"),
        ("p", "t", "k", "b", "d", "g", "m", "n", "l", "r", "j", "z", "S", "x", "s", "h", "v", "Z"),
        ("t", "r", "n", "m", "s", "z", "S", "x", "k"),
        coda=0.4,
        cluster=0.0,
        stress=1.2,
    ),
    "mixed": Inventory(
        tuple(_VOWELS),
        ("p", "t", "k", "b", "d", "g", *_CONSONANTS),
        ("t", "k", "d", "n", "m", "ng", "s", "z", "l", "x", "S", "f"),
        coda=0.45,
        cluster=0.1,
        stress=1.35,
    ),
}


def inventory(language: str, accent: str) -> Inventory:
    """Return the inventory of `language` ("en", "de", "fa", "mixed") in an accent of that name."""
    base = _LANGUAGES[language]
    shift = rng("accent", language, accent).normal(1.0, 0.035, 2)
    return replace(base, vowel_shift=(float(shift[0]), float(shift[1])))


@dataclass(frozen=True)
class Syllable:
    """Onset, nucleus and coda as phonemes; `word_end` allows a pause after it."""

    phonemes: tuple[Phoneme, ...]
    stressed: bool
    word_end: bool


def sentence(sounds: Inventory, key: str, syllables: tuple[int, int] = (4, 7)) -> list[Syllable]:
    """Return the sentence called `key`: the same key and inventory always give the same words.

    `syllables` is the inclusive range of its length.
    """
    draw = rng("sentence", key)
    count = int(draw.integers(syllables[0], syllables[1] + 1))
    words: list[int] = []
    while sum(words) < count:
        words.append(min(int(draw.integers(1, 4)), count - sum(words)))
    result = []
    for length in words:
        stressed = int(draw.integers(0, length))
        for position in range(length):
            phonemes: list[Phoneme] = []
            if draw.random() < 0.92:
                onset = str(draw.choice(sounds.onsets))
                phonemes.extend(_consonant(onset))
                if onset in "ptkbdgf" and draw.random() < sounds.cluster:
                    phonemes.extend(_consonant(str(draw.choice(["l", "r"]))))
            vowel = _VOWELS[str(draw.choice(sounds.vowels))]
            f1, f2, f3 = vowel.formants
            shifted = (f1 * sounds.vowel_shift[0], f2 * sounds.vowel_shift[1], f3)
            lengthening = sounds.stress if position == stressed else 1.0
            phonemes.append(replace(vowel, formants=shifted, duration=vowel.duration * lengthening))
            if draw.random() < sounds.coda:
                phonemes.extend(_consonant(str(draw.choice(sounds.codas))))
            result.append(Syllable(tuple(phonemes), position == stressed, position == length - 1))
    return result


def _consonant(name: str) -> tuple[Phoneme, ...]:
    return _stop(name) if name in _BURSTS else (_CONSONANTS[name],)
