"""One fit of one arm: train on what is labelled, then score val, test and the rest of the pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from after_ser.core.errors import InputError
from after_ser.core.metrics import score
from after_ser.core.protocol import TRAINING
from after_ser.learn.finetune.batches import Clips, first_frames
from after_ser.learn.finetune.precision import uses_bf16
from after_ser.learn.finetune.predict import predict
from after_ser.learn.finetune.train import Fit, fit
from after_ser.model.classifier import (
    Classifier,
    load_classifier,
    save_classifier,
    start_classifier,
)
from after_ser.model.latents import INDEX, LATENTS, MEANS, Latents
from after_ser.model.load import WEIGHTS
from after_ser.model.save import file_sha256
from after_ser.run.atomic import AGAIN, read_array, write_json, write_tsv
from after_ser.run.progress import Progress

_FLOATS = "%.9g"  # six decimals would make ties among confident clips


@dataclass(frozen=True)
class Split:
    """Clips of a fold by split, and the labels of val and test only."""

    train: list[str]
    val: list[str]
    test: list[str]
    held_out_labels: dict[str, str]


def read_split(fold: pd.DataFrame, manifest: pd.DataFrame, source: str = "manifest") -> Split:
    """Read a fold table (utt, split); the labels of train clips are not kept.

    Raises InputError, naming `source`, where the manifest lacks a clip of the fold.
    """
    parts = {
        name: sorted(fold.loc[fold["split"] == name, "utt"]) for name in ("train", "val", "test")
    }
    held_out = set(parts["val"]) | set(parts["test"])
    lost = sorted((held_out | set(parts["train"])) - set(manifest["utt"]))
    if lost:
        raise InputError(
            f"{source}: no clip {lost[0]} (and {len(lost) - 1} more of the fold); expected every "
            f"clip of the fold; {AGAIN}"
        )
    known = manifest[manifest["utt"].isin(held_out)]
    labels = dict(zip(known["utt"], known["label"], strict=True))
    if "" in labels.values():
        clip = min(utt for utt, label in labels.items() if not label)
        raise InputError(f"{source}: clip {clip} is held out and has no label; expected one")
    return Split(parts["train"], parts["val"], parts["test"], labels)


#: Latents of one split beyond this many bytes stay in their file: Merged's pool has 3 GB.
IN_MEMORY = 500_000_000


def load_clips(latents: Latents, utts: list[str]) -> Clips:
    """Return the latents of `utts`, in memory where they are few, else read when they are needed.

    The numbers are the same either way.
    """
    frames = sum(latents.length(utt) for utt in utts)
    if frames * latents.frame_bytes > IN_MEMORY:
        return Clips(utts, latents.stored(utts))
    return Clips(utts, [np.asarray(latents.frames(utt)) for utt in utts])


def run_round(
    *,
    split: Split,
    labelled: pd.DataFrame,
    latents: Latents,
    start: Path,
    previous: tuple[Path, Path] | None,
    classes: list[str],
    settings: dict[str, Any],
    head_seed: int,
    seed_parts: tuple[str | int, ...],
    device: torch.device,
    progress: Progress | None = None,
) -> tuple[Classifier, Fit, dict[str, pd.DataFrame]]:
    """Fit one round and score everything.

    split:    the fold; labelled: utt, label (a subset of its train clips).
    settings: the protocol's, see docs/config.md. With crop "head", train, val and pool clips are
              their first crop_s seconds, as in the released code; test clips never are.
    start:    checkpoint folder the first fit begins from; previous: weights and config of the
              round before for a warm start, else None.
    progress: saves where the fit is; the caller finishes it once everything is written.
    Returns the model, the fit, and the frames "val", "test" (utt, p_<class>…; none without test
    clips) and "pool".
    """
    unknown = set(labelled["utt"]) - set(split.train)
    if unknown:
        raise ValueError(f"labelled clip {min(unknown)} is not in the train split")
    settings = {**TRAINING, **settings}
    if previous is None:
        model = start_classifier(
            start,
            classes,
            settings["head"],
            head_seed,
            augment=settings["spec_augment"],
            fast=settings["fast"],
        )
    else:
        model = load_classifier(*previous)
    model.bf16 = uses_bf16(settings.get("precision", "auto"), device)
    frames_per_second = model.body.geometry.frames_per_second

    def load(utts: list[str]) -> Clips:
        clips = load_clips(latents, utts)
        if settings["crop"] == "random":
            return clips
        return first_frames(clips, max(1, int(settings["crop_s"] * frames_per_second)))

    train = load(list(labelled["utt"]))
    val = load(split.val)
    fitted = fit(
        model,
        train,
        list(labelled["label"]),
        val,
        [split.held_out_labels[utt] for utt in split.val],
        settings,
        frames_per_second,
        seed_parts,
        device,
        progress=progress,
    )
    pause = None if progress is None else progress.check
    known = set(labelled["utt"])
    rest = [utt for utt in split.train if utt not in known]
    frames = {"val": _probabilities(model, val, device, pause)}
    if split.test:  # people's own speech has no test clips
        frames["test"] = _probabilities(model, load_clips(latents, split.test), device, pause)
    frames["pool"] = _probabilities(model, load(rest), device, pause)
    return model, fitted, frames


def _probabilities(
    model: Classifier, clips: Clips, device: torch.device, pause: Callable[[], None] | None
) -> pd.DataFrame:
    probs = predict(model, clips, device, pause)
    columns = {f"p_{name}": probs[:, i] for i, name in enumerate(model.classes)}
    return pd.DataFrame({"utt": clips.utts, **columns})


def round_identity(
    *,
    split: Split,
    labelled: pd.DataFrame,
    latents: Path,
    start: Path,
    previous: tuple[Path, Path] | None,
    **settings: Any,
) -> dict[str, Any]:
    """Return everything that decides a round's result, so that no other's state is taken up."""
    return {
        "format": 3,  # of what a step draws and `Training.state` holds
        "clips": [split.train, split.val, split.test, split.held_out_labels],
        "labelled": labelled[["utt", "label"]].values.tolist(),
        "latents": [file_sha256(latents / name) for name in (INDEX, MEANS)],
        "precision": read_array(latents / LATENTS, mapped=True).dtype.name,
        "weights": file_sha256(start / WEIGHTS if previous is None else previous[0]),
        **settings,
    }


def write_round(
    folder: Path,
    *,
    model: Classifier,
    fitted: Fit,
    frames: dict[str, pd.DataFrame],
    split: Split,
    labelled: pd.DataFrame,
    budget: float,
    round_index: int,
) -> None:
    """Write predictions.tsv, pool.tsv, history.tsv, metrics.json and model/ into `folder`."""
    scored: dict[str, Any] = {}
    predictions: list[pd.DataFrame] = []
    for name in ("test", "val") if split.test else ("val",):
        frame = frames[name].copy()
        truth = [split.held_out_labels[utt] for utt in frame["utt"]]
        probs = frame[[f"p_{label}" for label in model.classes]].to_numpy()
        scored[name] = score(truth, probs, model.classes)
        frame.insert(1, "split", name)
        frame.insert(2, "label", truth)
        predictions.append(frame)
    write_tsv(folder / "predictions.tsv", pd.concat(predictions[::-1]), _FLOATS)
    write_tsv(folder / "pool.tsv", frames["pool"], _FLOATS)
    write_tsv(folder / "history.tsv", fitted.history)
    save_classifier(model, folder / "model/model.safetensors", folder / "model/config.json")
    write_json(
        folder / "metrics.json",
        {
            "labelled": len(labelled),
            "n_train": len(split.train),
            "budget": budget,
            "val_labels": len(split.val),
            "round": round_index,
            "best_epoch": fitted.best_epoch,
            "epochs": len(fitted.history),
            **scored,
        },
    )
