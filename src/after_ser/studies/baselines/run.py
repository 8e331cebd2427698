"""One fit of one baseline: train, choose on val, then score val and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from after_ser.core.errors import InputError
from after_ser.core.metrics import score
from after_ser.run.atomic import atomic_path, read_array, read_tsv, write_json, write_tsv
from after_ser.studies.baselines.base import HISTORY, Clip, Fitted, Method
from after_ser.studies.baselines.clips import unlabelled

_FLOATS = "%.9g"  # six decimals would make ties among confident clips
_SUM = 1e-3  # how far a row of probabilities may be from 1: float32, and no more
#: What `extract` made of every clip of a dataset, once for all folds and seeds.
FEATURES, INDEX = "features.npy", "index.tsv"


@dataclass(frozen=True)
class Result:
    """A fit, and the probabilities [clips, classes] of the clips by split ("val", "test")."""

    fitted: Fitted
    probabilities: dict[str, np.ndarray]


def run_baseline(
    name: str,
    method: Method,
    parts: dict[str, list[Clip]],
    *,
    classes: list[str],
    settings: dict[str, Any],
    seed: int,
    device: str,
) -> Result:
    """Fit a method on parts["train"] and parts["val"] and let it score "val" and "test".

    The clips it scores come without labels. `name` is the config's, for messages. Raises
    InputError where the method does not keep what `studies.baselines.base` asks of it.
    """
    fitted = method.fit(
        list(parts["train"]),
        list(parts["val"]),
        classes=list(classes),
        settings=dict(settings),
        seed=seed,
        device=device,
    )
    if list(fitted.history.columns) != HISTORY:
        raise InputError(
            f"baseline {name}: history has the columns {', '.join(map(str, fitted.history))}; "
            f"expected {', '.join(HISTORY)}"
        )
    probabilities = {}
    for part in ("val", "test"):
        probs = np.asarray(method.predict(fitted.model, unlabelled(parts[part])), dtype=float)
        _check(name, probs, (len(parts[part]), len(classes)))
        probabilities[part] = probs
    return Result(fitted, probabilities)


def _check(name: str, probs: np.ndarray, shape: tuple[int, int]) -> None:
    if probs.shape != shape:
        raise InputError(
            f"baseline {name}: predict returned the shape {probs.shape}; expected {shape}, "
            "clips by classes"
        )
    if not np.isfinite(probs).all() or (probs < 0).any():
        raise InputError(f"baseline {name}: a probability is negative, NaN or infinite")
    off = np.abs(probs.sum(axis=1) - 1)
    if (off > _SUM).any():
        raise InputError(
            f"baseline {name}: the probabilities of a clip add up to "
            f"{probs[off.argmax()].sum():.6g}; expected 1"
        )


def write_result(
    folder: Path, result: Result, parts: dict[str, list[Clip]], classes: list[str]
) -> None:
    """Write the files that `learn.finetune.round` writes of a fit, and the notes."""
    scored: dict[str, Any] = {}
    predictions = []
    for part in ("val", "test"):
        probs = result.probabilities[part]
        truth = [classes[clip.label] for clip in parts[part] if clip.label is not None]
        scored[part] = score(truth, probs, classes)
        columns = {f"p_{label}": probs[:, i] for i, label in enumerate(classes)}
        utts = [clip.utt for clip in parts[part]]
        predictions.append(pd.DataFrame({"utt": utts, "split": part, "label": truth, **columns}))
    write_tsv(folder / "predictions.tsv", pd.concat(predictions), _FLOATS)
    write_tsv(folder / "history.tsv", result.fitted.history)
    write_json(
        folder / "metrics.json",
        {
            "labelled": len(parts["train"]),
            "n_train": len(parts["train"]),
            "val_labels": len(parts["val"]),
            "best_epoch": result.fitted.best_epoch,
            "epochs": result.fitted.epochs,
            "notes": [" ".join(note.split()) for note in result.fitted.notes],
            "test": scored["test"],
            "val": scored["val"],
        },
    )


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
