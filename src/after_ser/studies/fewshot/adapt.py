"""Few-shot fine-tuning: "this emotion or not" for one speaker, from one start, for every k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor
from torch.nn.functional import cross_entropy

from after_ser.core.seeding import derive_seed, rng
from after_ser.learn.finetune.batches import Clips, collate, epoch_batches
from after_ser.learn.finetune.predict import predict
from after_ser.learn.stopping import EarlyStopping
from after_ser.learn.training import Row
from after_ser.model.classifier import Classifier, start_classifier
from after_ser.model.latents import Latents
from after_ser.run.progress import Progress
from after_ser.studies.fewshot.multitask import HEAD
from after_ser.studies.fewshot.optimise import few_shot_training

CLASSES = ["other", "emotion"]
SCORES = ["macro_f1", "weighted_f1", "accuracy"]
COLUMNS = [
    *["start", "sources", "speaker", "emotion", "k", "trial", *SCORES],
    *["val_labels", "test", "test_positive", "best_epoch", "epochs"],
]


def adapt_speaker(
    start: Path,
    name: str,
    n_sources: int,
    speaker: str,
    draws: pd.DataFrame,
    latents: Latents,
    k: Sequence[int],
    settings: Mapping[str, Any],
    seed: tuple[str | int, ...],
    device: torch.device,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return the scores (COLUMNS, fractions) of every emotion, trial and k of one speaker.

    start:    checkpoint folder; name: its name; n_sources: how many corpora it was made of.
    draws:    of `after_ser.studies.fewshot.draws`, with rank as a number.
    settings: learning_rate, batch_size, accumulation, warmup, clip_norm; few: up to this k
              few_epochs and few_patience, above it max_epochs and patience.
    seed:     named parts. Nothing is named by the start, so the first weights of the head, the
              order of batches and the dropout seeds are the same for every start.
    Every fit begins from the start again; with `progress` those are left out that an interrupted
    attempt has finished. An empty frame means that the speaker was left out.
    """
    own = draws[draws["speaker"] == speaker]
    if own.empty:
        return pd.DataFrame(columns=COLUMNS)
    frames = {utt: latents.frames(utt) for utt in sorted(set(own["utt"]))}
    model = start_classifier(start, CLASSES, HEAD, 0).to(device)
    fresh = {key: value.detach().clone() for key, value in model.state_dict().items()}
    saved = None if progress is None else progress.resume()
    rows: list[dict[str, Any]] = [] if saved is None else saved["rows"]
    before, count = len(rows), 0
    tasks = own.loc[own["emotion"] != "", ["emotion", "trial"]].drop_duplicates()
    for emotion, trial in tasks.itertuples(index=False):
        parts = _parts(own, emotion, trial)
        val, test = (_clips(parts[role], frames) for role in ("val", "test"))
        truth = {role: (parts[role]["label"] == emotion).to_numpy(int) for role in parts}
        for size in k:
            count += 1
            if count <= before:
                continue
            model.load_state_dict(fresh)
            source = (*seed, speaker, emotion, int(trial))
            _new_head(model, derive_seed(*source, "head"))
            best, epochs = _fit(
                model,
                _clips(parts["train"].iloc[:size], frames),
                truth["train"][:size],
                val,
                truth["val"],
                dict(settings),
                size,
                (*source, size),
                device,
            )
            guessed = predict(model, test, device).argmax(1)
            values = _scores(truth["test"], guessed)
            rows.append(
                {"start": name, "sources": n_sources, "speaker": speaker, "emotion": emotion}
                | {"k": size, "trial": trial, **values, "val_labels": len(val.utts)}
                | {"test": len(test.utts), "test_positive": int(truth["test"].sum())}
                | {"best_epoch": best, "epochs": epochs}
            )
            if progress is not None:
                progress.reached(len(rows), lambda: {"rows": rows})
    return pd.DataFrame(rows, columns=COLUMNS)


def _parts(own: pd.DataFrame, emotion: str, trial: str) -> dict[str, pd.DataFrame]:
    """Return the clips of a task by role, in the order of their ranks.

    Raises ValueError where a clip has two roles: what is tested must not be trained on.
    """
    task = own[own["emotion"].isin(["", emotion]) & own["trial"].isin(["", trial])]
    if task["utt"].duplicated().any():
        twice = task.loc[task["utt"].duplicated(), "utt"].iloc[0]
        raise ValueError(f"clip {twice} has two roles in emotion {emotion}, trial {trial}")
    ordered = task.sort_values(["role", "rank", "utt"])
    return {role: ordered[ordered["role"] == role] for role in ("train", "val", "test")}


def _clips(rows: pd.DataFrame, frames: Mapping[str, np.ndarray]) -> Clips:
    utts = list(rows["utt"])
    return Clips(utts, [frames[utt] for utt in utts])


def _new_head(model: Classifier, seed: int) -> None:
    torch.manual_seed(seed)
    model.head.output.reset_parameters()


def _fit(
    model: Classifier,
    train: Clips,
    targets: np.ndarray,
    val: Clips,
    val_truth: np.ndarray,
    settings: dict[str, Any],
    k: int,
    seed: tuple[str | int, ...],
    device: torch.device,
) -> tuple[int, int]:
    """Train `model` in place; return the epoch that is kept, by val macro-F1, and the last one.

    Without val clips nothing chooses: all epochs are trained and the last one is kept.
    """
    few = k <= settings["few"]
    lengths, goal = train.lengths(), torch.from_numpy(targets).to(device)

    def loss(part: np.ndarray) -> Tensor:
        latents, sizes = collate([train.frames[i] for i in part], device)
        return cross_entropy(model(latents, sizes), goal[torch.from_numpy(part).to(device)])

    def measure(epoch: int, rows: list[Row]) -> tuple[Row, float | None]:
        if not val.utts:
            return {}, None
        return {}, _scores(val_truth, predict(model, val, device).argmax(1))["macro_f1"]

    training = few_shot_training(
        model,
        settings,
        name=f"few-shot fine-tuning ({train.utts[0]})",
        epochs=settings["few_epochs" if few else "max_epochs"],
        seed=seed,
        batches=lambda epoch: epoch_batches(
            lengths, settings["batch_size"], rng(*seed, "batches", epoch)
        ),
        loss=loss,
        measure=measure,
        stopping=EarlyStopping(
            settings["few_patience" if few else "patience"], "max", keep_last=not val.utts
        ),
    ).run()
    return training.stopping.best_epoch, training.epoch - 1


def _scores(truth: np.ndarray, guessed: np.ndarray) -> dict[str, float]:
    """Return macro-F1, F1 weighted by the true counts, and accuracy (fractions)."""

    def f1(average: str) -> float:
        return float(f1_score(truth, guessed, labels=[0, 1], average=average, zero_division=0))

    return {
        "macro_f1": f1("macro"),
        "weighted_f1": f1("weighted"),
        "accuracy": float(accuracy_score(truth, guessed)),
    }
