"""How far annotators agree: Krippendorff's alpha, nominal (Krippendorff 2004, chapter 11)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import krippendorff
import numpy as np

from after_ser.studies.annotation.answers import Answer
from after_ser.studies.annotation.resolve import OUT


def agreement(
    asked: Sequence[str], by_clip: Mapping[str, Sequence[Answer]], classes: Sequence[str]
) -> dict[str, Any]:
    """Return alpha over the clips `asked`, from each annotator's label of the classes.

    Keys: alpha (None if it cannot be computed, and `note` says why), annotators, clips (with two
    labels or more), labels. Decisions do not count as annotations. Skipped and unusable clips, and
    clips to which an annotator gave two labels, count as not labelled by that annotator.
    """
    rows: dict[str, dict[str, set[str]]] = {}
    for utt in asked:
        for answer in by_clip.get(utt, ()):
            if not answer.decides and answer.value not in OUT:
                labels = rows.setdefault(answer.annotator, {}).setdefault(utt, set())
                labels.add(answer.value)
    codes = {name: index for index, name in enumerate(classes)}
    data = np.full((len(rows), len(asked)), np.nan)
    for row, annotator in enumerate(sorted(rows)):
        for column, utt in enumerate(asked):
            labels = rows[annotator].get(utt, set())
            if len(labels) == 1:
                data[row, column] = codes[next(iter(labels))]
    twice = np.isfinite(data).sum(axis=0) >= 2
    result: dict[str, Any] = {
        "alpha": None,
        "annotators": len(rows),
        "clips": int(twice.sum()),
        "labels": int(np.isfinite(data[:, twice]).sum()),
        "note": "",
    }
    if not twice.any():
        result["note"] = "no clip was labelled by two annotators"
    elif len(np.unique(data[:, twice][np.isfinite(data[:, twice])])) < 2:
        result["note"] = "only one class was used: alpha is not defined"
    else:
        alpha = krippendorff.alpha(
            reliability_data=data[:, twice],
            value_domain=list(range(len(classes))),
            level_of_measurement="nominal",
        )
        result["alpha"] = None if math.isnan(alpha) else round(float(alpha), 6)
    return result
