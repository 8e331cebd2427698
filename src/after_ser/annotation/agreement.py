"""How far annotators agree: Krippendorff's alpha, nominal (Krippendorff 2004, chapter 11)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import krippendorff
import numpy as np

from after_ser.annotation.answers import Answer
from after_ser.annotation.resolve import OUT


def agreement(
    asked: Sequence[str], by_clip: Mapping[str, Sequence[Answer]], classes: Sequence[str]
) -> dict[str, Any]:
    """Return alpha over the clips `asked`, from each annotator's label of the classes.

    Keys: alpha (None where it cannot be had, and `note` says why), annotators, clips (with two
    labels or more), labels. Decisions are no annotations; skipped and unusable clips, and clips of
    which an annotator says two things, count as not labelled by him.
    """
    rows: dict[str, dict[str, set[str]]] = {}
    for utt in asked:
        for one in by_clip.get(utt, ()):
            if not one.decides and one.said not in OUT:
                rows.setdefault(one.annotator, {}).setdefault(utt, set()).add(one.said)
    codes = {name: index for index, name in enumerate(classes)}
    data = np.full((len(rows), len(asked)), np.nan)
    for row, said in enumerate(rows[name] for name in sorted(rows)):
        for column, utt in enumerate(asked):
            if len(said.get(utt, ())) == 1:
                data[row, column] = codes[next(iter(said[utt]))]
    twice = np.isfinite(data).sum(axis=0) >= 2
    found: dict[str, Any] = {
        "alpha": None,
        "annotators": len(rows),
        "clips": int(twice.sum()),
        "labels": int(np.isfinite(data[:, twice]).sum()),
        "note": "",
    }
    if not twice.any():
        found["note"] = "no clip was labelled by two annotators"
    elif len(np.unique(data[:, twice][np.isfinite(data[:, twice])])) < 2:
        found["note"] = "only one class was used: alpha is not defined"
    else:
        alpha = krippendorff.alpha(
            reliability_data=data[:, twice],
            value_domain=list(range(len(classes))),
            level_of_measurement="nominal",
        )
        found["alpha"] = None if math.isnan(alpha) else round(float(alpha), 6)
    return found
