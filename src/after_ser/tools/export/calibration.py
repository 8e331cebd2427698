"""One temperature for a model's probabilities, and their expected calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

#: With fewer clips than this, the minimum says more about the clips than about the model.
LEAST_CLIPS = 20
#: Bounds of the temperature; a minimum at a bound does not count.
LOWEST, HIGHEST = 0.05, 20.0
BINS = 15


@dataclass(frozen=True)
class Calibration:
    """The temperature (1: unchanged), and a sentence on how it was chosen."""

    temperature: float
    note: str


def fit_temperature(probs: np.ndarray, truth: Sequence[int]) -> Calibration:
    """Return the T that minimises the negative log-likelihood of softmax(logits / T).

    Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2. `probs` [N, C] are
    the uncalibrated probabilities of val clips and `truth` [N] their class indices; logits are
    log probabilities, since softmax does not see a constant. T stays 1, and the note says why,
    where the clips cannot tell: fewer than LEAST_CLIPS, one class only, every clip right or a
    minimum outside of LOWEST to HIGHEST (more confidence, or less, would then always be better).
    """
    classes = np.asarray(truth, dtype=int)
    if len(classes) < LEAST_CLIPS:
        return _left(f"{len(classes)} validation clips are too few (least: {LEAST_CLIPS})")
    if len(set(classes.tolist())) < 2:
        return _left("the validation clips are all of one class")
    if (probs.argmax(axis=1) == classes).all():
        return _left("every validation clip is right, so any confidence would seem too low")
    logits = np.log(np.maximum(probs, 1e-300))
    rows = np.arange(len(classes))

    def loss(log_t: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = logits / np.exp(log_t[0])
        true_logits = scaled[rows, classes]
        slope = (true_logits - (softmax(scaled, axis=1) * scaled).sum(axis=1)).mean()
        return float((logsumexp(scaled, axis=1) - true_logits).mean()), np.array([slope])

    bounds = (float(np.log(LOWEST)), float(np.log(HIGHEST)))
    minimum = minimize(loss, np.zeros(1), jac=True, method="L-BFGS-B", bounds=[bounds], tol=1e-10)
    log_t = float(minimum.x[0])
    if min(abs(log_t - bound) for bound in bounds) < 1e-3:
        return _left(f"no temperature from {LOWEST:g} to {HIGHEST:g} minimises the loss")
    # rounded, so that config.json, card and weights have the very same number
    temperature = round(float(np.exp(log_t)), 6)
    before, after = (loss(np.log([value]))[0] for value in (1.0, temperature))
    note = (
        f"logits divided by T = {temperature:.4g}, fitted to {len(classes)} validation clips "
        f"(negative log-likelihood {before:.4f} before, {after:.4f} after)"
    )
    return Calibration(temperature, note)


def _left(reason: str) -> Calibration:
    return Calibration(1.0, f"not calibrated (T = 1): {reason}")


def rescaled(probs: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities [N, C] with their logits divided by `temperature`."""
    scaled: np.ndarray = softmax(np.log(np.maximum(probs, 1e-300)) / temperature, axis=1)
    return scaled


def calibration_error(probs: np.ndarray, truth: Sequence[int]) -> float:
    """Return the expected calibration error (0..1) of the most probable class.

    BINS bins of equal width over the confidence; the mean over bins of |share right - mean
    confidence|, weighted by clips (Guo et al. 2017, Eq. 3). NaN for no clip.
    """
    if len(probs) == 0:
        return float("nan")
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == np.asarray(truth, dtype=int)
    # bins are open at the left, as in the paper
    where = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(where, weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(probs))
