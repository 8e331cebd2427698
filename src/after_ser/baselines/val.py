"""What is measured on val after every epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import recall_score


def val_scores(probs: np.ndarray, labels: Sequence[int] | np.ndarray) -> tuple[float, float]:
    """Return (mean of -log p(true class) in nats, UA 0..1) of probabilities [clips, classes].

    The loss is that by which AFTER's epochs are chosen (paper, section 3.1.3), per utterance.
    """
    truth = np.asarray(labels)
    own = np.maximum(probs[np.arange(len(truth)), truth], 1e-12)
    ua = recall_score(
        truth, probs.argmax(axis=1), labels=np.unique(truth), average="macro", zero_division=0
    )
    return float(-np.log(own).mean()), float(ua)
