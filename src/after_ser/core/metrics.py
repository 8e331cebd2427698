"""UA, WA, macro-F1 and confusion of one test set (paper, section 3.1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from after_ser.core.errors import InputError


def predicted_labels(probs: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Return the most probable class per row of `probs` [N, C]; the first of equals wins.

    Raises InputError where a row holds NaN or infinity, or the columns are not the classes.
    """
    if probs.ndim != 2 or probs.shape[1] != len(classes):
        raise InputError(
            f"predictions: probabilities of shape {probs.shape}, expected [clips, {len(classes)}] "
            f"for the classes {', '.join(classes)}"
        )
    bad = np.flatnonzero(~np.isfinite(probs).all(axis=1))
    if bad.size:
        raise InputError(
            f"predictions: row {bad[0]} (and {bad.size - 1} more) holds NaN or infinity, "
            "expected finite probabilities"
        )
    return [classes[index] for index in probs.argmax(axis=1)]


def score(
    true_labels: Sequence[str], probs_or_pred: Sequence[Any] | np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    """Return the scores of one test set, as metrics.json holds them (fractions 0..1).

    `probs_or_pred` is either probabilities [N, C] in the order of `classes` or N predicted
    labels. UA (unweighted accuracy) is the mean recall and macro_f1 the mean F1 over the
    classes that occur among `true_labels`; WA (weighted accuracy) is the plain accuracy. The
    recall of a class without clips is None. Rows of `confusion` are true classes.

    Raises InputError for NaN probabilities, unknown labels, unequal lengths and no clips.
    """
    classes = [str(name) for name in classes]
    true = [str(label) for label in true_labels]
    if not true:
        raise InputError("predictions: no clip to score, expected at least one test clip")
    values = np.asarray(probs_or_pred)
    if values.ndim == 2 or values.dtype.kind == "f":
        predicted = predicted_labels(np.asarray(values, dtype=float), classes)
    else:
        predicted = [str(label) for label in values]
    if len(true) != len(predicted):
        raise InputError(
            f"predictions: {len(predicted)} predictions for {len(true)} labels, expected as many"
        )
    unknown = sorted((set(true) | set(predicted)) - set(classes))
    if unknown:
        raise InputError(
            f"predictions: unknown label {unknown[0]!r}, expected one of {', '.join(classes)}"
        )
    confusion = _confusion(true, predicted, classes)
    hits, of_true, guessed = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    present = of_true > 0
    recalls = hits[present] / of_true[present]
    by_class = dict(zip(np.flatnonzero(present).tolist(), recalls.tolist(), strict=True))
    return {
        "ua": float(recalls.mean()),
        "wa": float(hits.sum() / len(true)),
        "macro_f1": float((2 * hits[present] / (of_true[present] + guessed[present])).mean()),
        "n": len(true),
        "recall": {name: by_class.get(index) for index, name in enumerate(classes)},
        "confusion": confusion.tolist(),
    }


# By hand, since importing scikit-learn takes longer than anything else here, in every fit.
def _confusion(true: list[str], predicted: list[str], classes: list[str]) -> np.ndarray:
    where = {name: index for index, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, ([where[name] for name in true], [where[name] for name in predicted]), 1)
    return counts
