"""What is measured on val after every epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import recall_score

from after_ser.errors import InputError


def val_scores(probs: np.ndarray, labels: Sequence[int] | np.ndarray) -> tuple[float, float]:
    """Return (mean of -log p(true class) in nats, UA 0..1) of probabilities [clips, classes].

    The loss is that by which AFTER's epochs are chosen (paper, section 3.1.3), per utterance.
    Raises InputError for NaN, which would never be better than any other epoch's loss.
    """
    truth = np.asarray(labels)
    if not np.isfinite(probs).all():
        raise InputError(
            "baseline: what the model says of val is no number; expected probabilities, try a "
            "lower learning_rate"
        )
    own = np.maximum(probs[np.arange(len(truth)), truth], 1e-12)
    ua = recall_score(
        truth, probs.argmax(axis=1), labels=np.unique(truth), average="macro", zero_division=0
    )
    return float(-np.log(own).mean()), float(ua)
