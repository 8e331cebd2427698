"""When to stop asking: criteria of the literature, as pure functions of what finished rounds said.

None of them knows what the labels cost or what the model is for, and their thresholds are those
of text classification: they are read together with the learning curve, never instead of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

#: Share of the clips whose class may change between two rounds. Zhu et al. (2008) stop when none
#: changes; small-text's ClassificationChange has the same default.
CHANGE = 0.0
#: Mean normalised entropy of the pool; the default of small-text's OverallUncertainty.
UNCERTAINTY = 0.05
#: Agreement of successive models, and over how many pairs of rounds it is averaged: the intensity
#: cutoff and the window of Bloodgood and Vijay-Shanker (2009).
KAPPA, WINDOW = 0.99, 3
#: Rounds without a gain of more than so much UA (a fraction). The rule is the one of early
#: stopping; the numbers are ours, one point and the window above.
PATIENCE, MIN_DELTA = 3, 0.01


@dataclass(frozen=True)
class Criterion:
    """What one criterion says after the last round.

    history:   the value of each round, None where it has none yet
    value:     the one that is compared with the threshold, None where nothing can be said
    threshold: in the unit of the values
    met:       whether it says stop; None where nothing can be said, `note` then says why
    """

    history: tuple[float | None, ...]
    value: float | None
    threshold: float
    met: bool | None
    note: str = ""


def classification_change(before: Sequence[str], now: Sequence[str]) -> float:
    """Return the share of clips whose predicted class is another than in the round before.

    before, now: predicted classes of the same unlabelled clips, [clips]. Raises ValueError for
    unequal lengths and no clips. Zhu, Wang and Hovy, "Multi-criteria-based strategy to stop active
    learning for data annotation", COLING 2008.
    """
    first, second = _pair(before, now)
    return float(np.mean(first != second))


def overall_uncertainty(probs: np.ndarray) -> float:
    """Return the mean entropy of probabilities [clips, classes], 1 where all classes are equal.

    Overall uncertainty of Zhu, Wang and Hovy (2008) over the unlabelled clips; divided by
    log(classes) as in small-text's OverallUncertainty, so that one threshold fits any number of
    classes. Raises ValueError for rows that are no distribution, no clips and fewer than two
    classes.
    """
    probs = np.asarray(probs, dtype=float)
    if probs.ndim != 2 or probs.shape[0] < 1 or probs.shape[1] < 2:
        raise ValueError(f"probabilities of shape {probs.shape}, expected [clips, classes]")
    if not np.isfinite(probs).all() or (probs < 0).any() or (abs(probs.sum(1) - 1) > 1e-3).any():
        raise ValueError("a row of the probabilities is not a distribution")
    from scipy.stats import entropy

    return float(entropy(probs, axis=1).mean() / np.log(probs.shape[1]))


def agreement(before: Sequence[str], now: Sequence[str]) -> float | None:
    """Return Cohen's kappa of the predictions of two rounds for the same clips, [clips] each.

    None where both name one and the same class for all clips: chance agrees as much. Raises
    ValueError as `classification_change` does.
    """
    first, second = _pair(before, now)
    if len(set(first) | set(second)) == 1:
        return None
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(first, second))


def _pair(before: Sequence[str], now: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(before, dtype=object), np.asarray(now, dtype=object)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"{len(first)} and {len(second)} predictions, expected the same clips")
    if not len(first):
        raise ValueError("no clip to compare")
    return first, second


def change_stops(changes: Sequence[float | None], threshold: float = CHANGE) -> Criterion:
    """Stop when at most `threshold` of the clips changed; `changes` per round, None for the first.

    Zhu, Wang and Hovy (2008) stop when nothing changes in two subsequent rounds (threshold 0); a
    share that may change is the addition of small-text's ClassificationChange.
    """
    return _last(changes, threshold, lambda value: value <= threshold)


def uncertainty_stops(values: Sequence[float | None], threshold: float = UNCERTAINTY) -> Criterion:
    """Stop when the overall uncertainty of the last round is below `threshold`."""
    return _last(values, threshold, lambda value: value < threshold)


def stability_stops(
    kappas: Sequence[float | None], threshold: float = KAPPA, window: int = WINDOW
) -> Criterion:
    """Stop when the mean kappa of the last `window` pairs of rounds is at least `threshold`.

    kappas: agreement of each round with the one before, None for the first and where it is not
    defined. Bloodgood and Vijay-Shanker, "A Method for Stopping Active Learning Based on
    Stabilizing Predictions and the Need for User-Adjustable Stopping", CoNLL 2009. Theirs is the
    mean agreement; small-text's KappaAverage asks instead for small changes of the agreement, and
    so also stops at a low one. They compare on a fixed stop set.
    """
    history = tuple(kappas)
    if len(history) < window + 1:
        pairs = max(len(history) - 1, 0)
        note = f"{pairs} of the {window} pairs of rounds that are needed"
        return Criterion(history, None, threshold, None, note)
    recent = [value for value in history[-window:] if value is not None]
    if len(recent) < window:
        note = f"of the last {window} pairs of rounds one or more has no kappa"
        return Criterion(history, None, threshold, None, note)
    mean = float(np.mean(recent))
    return Criterion(history, mean, threshold, mean >= threshold - 1e-9)  # a mean of 0.99s is 0.99


def plateau_stops(
    scores: Sequence[float], patience: int = PATIENCE, min_delta: float = MIN_DELTA
) -> Criterion:
    """Stop when `patience` rounds in a row brought no gain over the best score before them.

    scores: val UA per round, a fraction. A gain is more than `min_delta` above the best so far,
    as in the EarlyStopping of Keras and Lightning, with rounds for epochs. history and value are
    the rounds since the last gain.
    """
    best, waited, history = -np.inf, 0, []
    for score in scores:
        if score - min_delta > best:
            best, waited = score, 0
        else:
            waited += 1
        history.append(float(waited))
    if len(history) <= patience:
        note = f"{len(history)} of the {patience + 1} rounds that are needed"
        return Criterion(tuple(history), None, patience, None, note)
    return Criterion(tuple(history), history[-1], patience, waited >= patience)


def _last(
    values: Sequence[float | None], threshold: float, met: Callable[[float], bool]
) -> Criterion:
    history = tuple(values)
    value = history[-1] if history else None
    if value is None:
        note = "one round only" if len(history) < 2 else "no unlabelled clip is left"
        return Criterion(history, None, threshold, None, note)
    return Criterion(history, value, threshold, met(value))
