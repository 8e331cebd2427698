"""A round's model as one of transformers' classes, and a check that it is one.

The round has transformer and head, its start checkpoint has what precedes them, which no fit
changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from after_ser.core.errors import InputError
from after_ser.model.classifier import load_classifier
from after_ser.model.load import CONFIG, WEIGHTS, quiet_transformers
from after_ser.model.registry import exportable_heads
from after_ser.model.waveform import read_samples, to_float

#: config.json's key for the temperature that the classifier's weights were divided by.
TEMPERATURE = "calibration_temperature"
#: Clips that an export is tried on.
CHECKED = 32
#: How far a probability may be from the recorded one. With `latents: float32` on the same device it
#: is 1e-6; rounding latents to 16 bits moves it by 1e-5 to 1e-4, and so may another device.
TOLERANCE = 1e-3


def write_model(folder: Path, model: Path, start: Path, temperature: float) -> None:
    """Write config.json, model.safetensors and preprocessor_config.json into `folder`.

    `model` is the folder of a round's weights and config, `start` the checkpoint it began from.
    The last layer is divided by `temperature`, so that the softmax of whoever loads the folder is
    calibrated; config.json names it. Raises InputError for a model that is missing or was pruned
    and for a head that transformers does not have for its backbone.
    """
    weights = model / WEIGHTS
    if not weights.is_file():
        raise InputError(f"export: {weights} is missing; expected the model of a finished round")
    classifier = load_classifier(weights, model / CONFIG)
    family, head = classifier.body.family, classifier.head
    if family.exported_as(type(head)) is None:
        raise InputError(
            f"export: {model} has the head {classifier.head_name}, which transformers does not "
            f"have for {family.title}; expected one of {', '.join(exportable_heads(family))}"
        )
    state = {}
    for own, theirs in head.exported.items():
        scale = temperature if own == "output" else 1.0
        for name, value in head.get_submodule(own).state_dict().items():
            state[f"{theirs}.{name}"] = (value.double() / scale).float()
    settings = {
        "id2label": dict(enumerate(classifier.classes)),
        "label2id": {name: index for index, name in enumerate(classifier.classes)},
        "classifier_proj_size": head.output.in_features,
        TEMPERATURE: temperature,
    }
    family.export(start, classifier.body, state, settings, folder)


def chosen_clips(seconds: Sequence[float]) -> list[int]:
    """Return at most CHECKED positions, evenly from the shortest to the longest clip."""
    order = np.argsort(np.asarray(seconds, dtype=float), kind="stable")
    ranks = np.linspace(0, len(order) - 1, min(CHECKED, len(order))).round().astype(int)
    return [int(order[rank]) for rank in dict.fromkeys(ranks.tolist())]


def check_model(
    folder: Path,
    recorded: pd.DataFrame,
    paths: Mapping[str, str],
    classes: Sequence[str],
    temperature: float,
) -> float:
    """Return how far the folder is from the run: the largest difference of a probability.

    transformers' own pipeline is given the prepared audio of the clips in `recorded` (utt,
    p_<class> as the fit wrote them), and the temperature is taken out of what it says. Raises
    InputError where the difference is above TOLERANCE: the start checkpoint or the audio is then
    not what the model was trained with.
    """
    from after_ser.tools.export.calibration import rescaled

    answers = []
    with quiet_transformers():
        classify = _pipeline(folder)
        for utt in recorded["utt"]:
            heard = {"raw": to_float(read_samples(paths[utt])), "sampling_rate": 16_000}
            scores = {answer["label"]: answer["score"] for answer in classify(heard, top_k=None)}
            answers.append([scores[name] for name in classes])
    expected = recorded[[f"p_{name}" for name in classes]].to_numpy(dtype=float)
    got = rescaled(np.array(answers, dtype=float), 1 / temperature)
    apart = float(np.abs(got - expected).max())
    if not apart <= TOLERANCE:
        raise InputError(
            f"export: what was exported is up to {apart:.2g} from the run's own probabilities; "
            f"expected at most {TOLERANCE:g}: the start checkpoint or the prepared audio has "
            "changed since the fit"
        )
    return apart


def _pipeline(folder: Path) -> Any:
    from transformers import pipeline

    return pipeline("audio-classification", model=str(folder), device="cpu")
