"""eGeMAPS functionals and a linear SVM: the sanity floor of every dataset.

Features: the 88 functionals of eGeMAPSv02 (Eyben et al., IEEE Trans. Affective Computing 7, 2016)
by the openSMILE library, standardised on the training clips. C is chosen by grid search within the
train split with whole speakers held out (GroupKFold), by UA. Val is not trained on; it is scored
for the record only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from after_ser.learn.losses import val_scores
from after_ser.model.geometry import SAMPLE_RATE
from after_ser.model.waveform import read_samples, to_float
from after_ser.studies.baselines.base import HISTORY, Clip, Fitted
from after_ser.studies.baselines.clips import labels_of


@dataclass(frozen=True)
class Model:
    """A pipeline (None where train has one class), the classes it knows, and the number of all."""

    svm: Pipeline | None
    known: list[int]
    classes: int


def extract(clips: Sequence[Clip]) -> np.ndarray:
    """Return the eGeMAPSv02 functionals [clips, 88]; what is undefined in a clip is 0."""
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    rows = [
        smile.process_signal(to_float(read_samples(clip.path)), SAMPLE_RATE).to_numpy()[0]
        for clip in clips
    ]
    return np.nan_to_num(np.array(rows, dtype=float), posinf=0.0, neginf=0.0)


def _features(clips: Sequence[Clip]) -> np.ndarray:
    """Return the functionals that the clips bring, or make them."""
    if any(clip.features is None for clip in clips):
        return extract(clips)
    return np.array([clip.features for clip in clips])


def fit(
    train: list[Clip],
    val: list[Clip],
    *,
    classes: list[str],
    settings: dict[str, Any],
    seed: int,
    device: str,
) -> Fitted:
    """Choose C and fit; settings: c (the grid), splits (of the search), class_weights.

    Nothing is random, so `seed` is not read; everything runs on the CPU.
    """
    labels = labels_of(train)
    known = sorted(set(labels))
    notes: list[str] = []
    svm: Pipeline | None = None
    if len(known) == 1:
        notes.append("train has one class only, which is predicted everywhere")
    else:
        svm, notes = _fit_svm(_features(train), labels, [clip.speaker for clip in train], settings)
    model = Model(svm, known, len(classes))
    loss, ua = val_scores(predict(model, val), labels_of(val))
    history = pd.DataFrame([(1, float("nan"), loss, ua)], columns=HISTORY)
    return Fitted(model, history, 1, 1, notes)


def _fit_svm(
    features: np.ndarray, labels: list[int], speakers: list[str], settings: dict[str, Any]
) -> tuple[Pipeline, list[str]]:
    weights = None if settings["class_weights"] == "none" else settings["class_weights"]
    svm = make_pipeline(StandardScaler(), SVC(kernel="linear", class_weight=weights))
    grid = sorted(float(value) for value in settings["c"])
    splits = min(settings["splits"], len(set(speakers)))
    if splits < 2:
        chosen = grid[len(grid) // 2]
        note = f"train has one speaker, so C was not searched and is {chosen:g}"
        return svm.set_params(svc__C=chosen).fit(features, labels), [note]
    search = GridSearchCV(
        svm, {"svc__C": grid}, scoring="balanced_accuracy", cv=GroupKFold(splits), error_score=0.0
    )
    search.fit(features, labels, groups=speakers)
    return search.best_estimator_, []


def predict(model: Model, clips: list[Clip]) -> np.ndarray:
    """Return a softmax [clips, classes] of the decision values: an order, no calibrated chances.

    A class that train does not have gets probability 0.
    """
    probs = np.zeros((len(clips), model.classes))
    if model.svm is None:
        probs[:, model.known] = 1.0
        return probs
    values = model.svm.decision_function(_features(clips))
    if values.ndim == 1:  # two classes have one value, that of the second
        values = np.stack([-values, values], axis=1)
    probs[:, model.known] = softmax(values, axis=1)
    return probs
