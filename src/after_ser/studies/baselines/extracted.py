"""What a method's `extract` makes of every clip of a dataset, once for all folds and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from after_ser.core.errors import InputError
from after_ser.run.atomic import atomic_path, read_array, read_tsv, write_tsv
from after_ser.studies.baselines.base import Clip

FEATURES, INDEX = "features.npy", "index.tsv"


def write_features(folder: Path, method: Any, manifest: pd.DataFrame) -> None:
    """Write features.npy [clips, ...] and index.tsv (utt) of a dataset's manifest.

    The method sees neither labels nor ratings. Raises InputError where it does not return one row
    of finite numbers per clip.
    """
    rows = zip(manifest["utt"], manifest["path"], manifest["speaker"], strict=True)
    clips = [Clip(utt, path, None, speaker) for utt, path, speaker in rows]
    features = np.asarray(method.extract(clips))
    if len(features) != len(clips) or not np.isfinite(features).all():
        raise InputError(
            f"baseline: extract returned the shape {features.shape}, finite: "
            f"{bool(np.isfinite(features).all())}; expected {len(clips)} rows of finite numbers"
        )
    with atomic_path(folder / FEATURES) as temporary:
        np.save(temporary, features)
    write_tsv(folder / INDEX, manifest[["utt"]])


def with_features(clips: Sequence[Clip], folder: Path) -> list[Clip]:
    """Return the clips with their row of features.npy."""
    features = read_array(folder / FEATURES, mapped=True)
    place = {utt: row for row, utt in enumerate(read_tsv(folder / INDEX)["utt"])}
    return [replace(clip, features=np.array(features[place[clip.utt]])) for clip in clips]
