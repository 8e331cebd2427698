"""Balancing the train and val part of a fold: which clips stay, as few dropped as possible."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.data.datasets.sampling import allocate, shuffled

METHODS = ("ratio", "cap", "none")
# Table 1 of the AFTER paper, row "Merged"
DEFAULT_RATIO = {"anger": 1.5, "neutral": 1.4, "sad": 1.0, "happy": 1.5}


def ratio_counts(available: Mapping[str, int], ratio: Mapping[str, float]) -> dict[str, int]:
    """Return how many clips of each class to keep so that the kept ones stand in `ratio`.

    The scale is the largest that no class is too small for, so the scarcest class is kept whole
    and nothing more is dropped than the ratio asks; other counts are rounded to whole clips (at
    least one). A class with ratio 0 is left out; a class without clips does not limit the others.
    Raises InputError for a class without a ratio, a ratio without a class, or a negative one.
    """
    if set(ratio) != set(available):
        raise InputError(
            f"balance.ratio names {', '.join(sorted(ratio))}, "
            f"expected a number for each of the classes {', '.join(sorted(available))}"
        )
    exact = {}
    for name, value in ratio.items():
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"balance.ratio.{name} is {value}, expected a number of 0 or more")
        exact[name] = Fraction(str(value))  # 1.4 as written, not as its nearest double
    scales = [available[name] / share for name, share in exact.items() if share and available[name]]
    if not scales:
        raise InputError("balance.ratio leaves no clip, expected a class with clips above 0")
    scale = min(Fraction(value) for value in scales)
    kept = {}
    for name, count in available.items():
        wanted = max(1, math.floor(scale * exact[name] + Fraction(1, 2)))
        kept[name] = min(wanted, count) if exact[name] else 0
    return kept


def balance_clips(
    clips: pd.DataFrame,
    classes: Sequence[str],
    dataset: str,
    fold: int,
    method: str = "ratio",
    ratio: Mapping[str, float] | None = None,
    cap: int | None = None,
) -> pd.Series:
    """Return which of `clips` (columns utt, corpus, speaker, label) to keep, as booleans per row.

    "ratio" brings the classes to `ratio` (default the paper's), "cap" keeps at most `cap` clips
    of each corpus and label, "none" keeps all. What a class loses is spread over its corpora in
    proportion to their size, and within a corpus over its speakers (largest remainder). Which
    clips go is random, from the source named "balance", dataset and fold: not from the run's
    seed, so all seeds see the same clips. Never pass test clips.
    """
    if method == "none":
        return pd.Series(True, index=clips.index)
    kept: set[str] = set()
    source = ("balance", dataset, fold)
    if method == "ratio":
        available = {name: int((clips["label"] == name).sum()) for name in classes}
        wanted = ratio_counts(available, dict(ratio) if ratio else _default_ratio(classes))
        for name in classes:
            kept |= _draw_class(clips[clips["label"] == name], wanted[name], source)
    elif method == "cap":
        if cap is None or cap < 1:
            raise InputError(f"balance.cap is {cap}, expected a whole number of 1 or more")
        for _, group in clips.groupby(["corpus", "label"]):
            kept |= _draw_class(group, min(cap, len(group)), source)
    else:
        raise InputError(f"balance.method is {method!r}, expected one of {', '.join(METHODS)}")
    return clips["utt"].isin(kept)


def _default_ratio(classes: Sequence[str]) -> Mapping[str, float]:
    if set(classes) != set(DEFAULT_RATIO):
        raise InputError(
            f"balance.method ratio needs a ratio for the classes {', '.join(classes)}; "
            f"the default is for {', '.join(DEFAULT_RATIO)}"
        )
    return DEFAULT_RATIO


def _draw_class(clips: pd.DataFrame, count: int, source: tuple[str, str, int]) -> set[str]:
    """Return `count` utterances of one class, spread over corpora, then over their speakers."""
    corpora: dict[str, dict[str, list[str]]] = {}
    for utt, corpus, speaker in zip(clips["utt"], clips["corpus"], clips["speaker"], strict=True):
        corpora.setdefault(corpus, {}).setdefault(speaker, []).append(utt)
    sizes = {corpus: sum(map(len, speakers.values())) for corpus, speakers in corpora.items()}
    drawn: set[str] = set()
    for corpus, quota in _shares(sizes, count, source).items():
        speakers = corpora[corpus]
        counts = {speaker: len(utts) for speaker, utts in speakers.items()}
        shares = _shares(counts, quota, source)
        for speaker, share in shares.items():
            drawn.update(shuffled(speakers[speaker], *source)[:share])
    return drawn


def _shares(sizes: Mapping[str, int], count: int, source: tuple[str, str, int]) -> dict[str, int]:
    """Return how many of `count` clips each stratum gives; ties are broken at random."""
    names = shuffled(sizes, *source)
    return dict(zip(names, allocate(count, [sizes[name] for name in names]), strict=True))
