"""The weights of the cross-entropy, and what val is scored by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def class_weights(targets: Tensor, n_classes: int, kind: str) -> Tensor:
    """Return weights [C] of the cross-entropy: ones, or inversely proportional to counts.

    A class that is not labelled yet gets weight 0: it occurs in no batch, and 1/0 would turn
    every weight into NaN.
    """
    if kind == "none":
        return torch.ones(n_classes)
    counts = torch.bincount(targets, minlength=n_classes).float()
    weights = torch.where(counts > 0, 1.0 / counts.clamp(min=1.0), torch.zeros(n_classes))
    return weights / weights.sum() * (counts > 0).sum()


def val_scores(probs: np.ndarray, targets: Sequence[int] | np.ndarray) -> tuple[float, float]:
    """Return (mean of -log p(true class) in nats, UA 0..1) of probabilities [clips, classes].

    The first is the unweighted Eq. 5, by which epochs are chosen (paper, section 3.1.3). UA is the
    mean recall of the classes that occur. Where a probability is NaN, so is the loss.
    """
    truth = np.asarray(targets)
    own = np.maximum(probs[np.arange(len(truth)), truth], 1e-12)
    right = probs.argmax(axis=1) == truth
    recalls = [right[truth == label].mean() for label in np.unique(truth)]
    return float(-np.log(own).mean()), float(np.mean(recalls))
