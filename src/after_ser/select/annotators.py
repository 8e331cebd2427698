"""Simulated annotators that err: a share of wrong labels, or several who disagree.

The answer for a clip is drawn from a source named by the dataset and the clip alone. It does not
depend on arm, fold, seed or round, so arms stay paired: all get the same answer for a clip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from after_ser.core.seeding import derive_seed


@dataclass(frozen=True)
class Answers:
    """Answered label by clip; `votes` by clip, e.g. "anger:2,sad:1", None for a true oracle."""

    labels: dict[str, str]
    votes: dict[str, str] | None = None


def simulate(
    truth: Mapping[str, str], classes: Sequence[str], oracle: Mapping[str, Any], dataset: str
) -> Answers:
    """Return what the oracle of these settings answers for every clip of a dataset.

    truth:  clip to label, all clips of the dataset's manifest.
    oracle: `protocols.<name>.oracle`. With `label_noise` p, exactly floor(p * n + 0.5) of the n
            clips get a wrong class, uniform over the others; a larger p keeps the wrong ones and
            adds to them. With `annotators`, each answers by a confusion of their own (true class
            to answer to probability; a class without a row is always recognised), and the most
            frequent answer wins. Ties are broken by a draw named by the clip.
    """
    annotators = oracle.get("annotators") or []
    if annotators:
        votes = {
            clip: [
                _answer(annotator["confusion"], label, classes, ("annotator", index, dataset, clip))
                for index, annotator in enumerate(annotators)
            ]
            for clip, label in truth.items()
        }
        labels = {clip: _majority(answers, dataset, clip) for clip, answers in votes.items()}
    elif oracle.get("label_noise"):
        wrong = _wrong_clips(truth, float(oracle["label_noise"]), dataset)
        labels = {
            clip: _another(label, classes, dataset, clip) if clip in wrong else label
            for clip, label in truth.items()
        }
        votes = {clip: [label] for clip, label in labels.items()}
    else:
        return Answers(dict(truth))
    return Answers(labels, {clip: _votes_text(answers, classes) for clip, answers in votes.items()})


def _wrong_clips(truth: Mapping[str, str], share: float, dataset: str) -> set[str]:
    """Return the clips that are answered wrongly: the first ones of a fixed random order."""
    order = sorted(truth, key=lambda clip: (derive_seed("oracle", "noise", dataset, clip), clip))
    return set(order[: math.floor(round(share * len(order), 9) + 0.5)])


def _another(label: str, classes: Sequence[str], dataset: str, clip: str) -> str:
    others = [name for name in classes if name != label]
    return others[derive_seed("oracle", "wrong", dataset, clip) % len(others)]


def _answer(
    confusion: Mapping[str, Mapping[str, float]],
    label: str,
    classes: Sequence[str],
    source: tuple[str | int, ...],
) -> str:
    """Draw one annotator's answer from the row of the true label."""
    row = confusion.get(label)
    if row is None:
        return label
    point, reached = derive_seed("oracle", *source) / 2**63, 0.0
    named = [name for name in classes if row.get(name, 0) > 0]
    for name in named:
        reached += row[name]
        if point < reached:
            return name
    return named[-1]  # the row's sum is 1 but for rounding


def _majority(answers: Sequence[str], dataset: str, clip: str) -> str:
    """Return the most frequent answer."""
    most = max(answers.count(name) for name in answers)
    tied = sorted({name for name in answers if answers.count(name) == most})
    return min(tied, key=lambda name: derive_seed("oracle", "tie", dataset, clip, name))


def _votes_text(answers: Sequence[str], classes: Sequence[str]) -> str:
    return ",".join(f"{name}:{answers.count(name)}" for name in classes if name in answers)
