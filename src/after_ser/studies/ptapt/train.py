"""P-TAPT, stage 1: train the emotion-state model on the clips and labels of a train split.

Every random source of a step is named by the seed and the step, so that a run resumed from a
checkpoint goes on exactly as if it had not been stopped.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from after_ser.core.errors import InputError
from after_ser.core.seeding import derive_seed, rng
from after_ser.learn.losses import class_weights
from after_ser.learn.stopping import EarlyStopping
from after_ser.learn.tapt.clips import Clip
from after_ser.learn.tapt.config import FirstStage
from after_ser.learn.tapt.settings import scheduled_rate
from after_ser.learn.training import Row, Training, gradients_of
from after_ser.model.geometry import SAMPLE_RATE
from after_ser.model.save import file_sha256
from after_ser.run.atomic import read_tsv, write_json, write_tsv
from after_ser.run.device import choose_device, device_name, make_deterministic, set_threads
from after_ser.run.lock import exclusive
from after_ser.run.progress import Progress
from after_ser.run.termination import Termination
from after_ser.run.timing import Stopwatch
from after_ser.studies.ptapt.audio import Audio
from after_ser.studies.ptapt.fairseq import load_wav2vec
from after_ser.studies.ptapt.states import EmotionStates, save_states
from after_ser.studies.ptapt.wav2vec import Shape, Wav2Vec

HISTORY = "history.tsv"
TIMING = "timing.json"
STEP_NAME = "ptapt_states"
#: Settings that do not decide the result, and the checkpoint's path: its content does.
NOT_READ = {"checkpoint", "checkpoint_every", "clusters", "iterations"}


def train_states(
    clips: Sequence[Clip],
    labels: Mapping[str, str],
    classes: Sequence[str],
    settings: FirstStage,
    seed: tuple[str | int, ...],
    out_folder: str | os.PathLike[str],
    state_folder: str | os.PathLike[str],
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Train on `clips` and write states.safetensors, states.json, history.tsv and timing.json.

    `labels` maps each clip to one of `classes`. A random `val_share` of the clips is held out;
    the weights of lowest loss on them are kept. `seed` are the named parts, the state folder is
    as in `learn.tapt.train.pretrain`. Raises InputError for fewer than two clips, an unusable
    checkpoint and a loss that is not finite.
    """
    if len(clips) < 2:
        raise InputError(f"p-tapt: {len(clips)} train clip; expected two, one of them to stop by")
    with exclusive(state_folder), Termination() as termination:
        watch = Stopwatch()
        set_threads(threads)
        make_deterministic()
        run = _StatesTraining(
            list(clips), labels, list(classes), settings, seed, choose_device(device)
        )
        progress = Progress(
            STEP_NAME, state_folder, run.identity, watch, termination, settings.checkpoint_every
        )
        with watch.computing():
            training = run.training(progress).run()
        run.write(training, Path(out_folder))
        timing = watch.read(STEP_NAME, device_name(run.device), threads)
        write_json(Path(out_folder) / TIMING, timing)
        progress.finish()


class _StatesTraining:
    """The model, and its clips: those that are trained on, and those held out to stop by."""

    def __init__(
        self,
        clips: list[Clip],
        labels: Mapping[str, str],
        classes: list[str],
        settings: FirstStage,
        seed: tuple[str | int, ...],
        device: torch.device,
    ) -> None:
        self.settings, self.seed, self.device = settings, seed, device
        self.clips, self.labels, self.classes = clips, labels, classes
        self.origin: dict[str, Any] = (
            {"kind": "fairseq", "sha256": _hash(settings.checkpoint)}
            if settings.checkpoint
            else {"kind": "scratch"}
        )
        self.model = _model(settings, classes, derive_seed(*seed, "weights")).to(device)
        self.shortest = self.model.geometry.receptive_field
        self.audio = Audio(clips)
        self.targets = torch.tensor([classes.index(labels[clip.utt]) for clip in clips])
        order = rng(*seed, "val").permutation(len(clips))
        held_out = min(max(1, round(settings.val_share * len(clips))), len(clips) - 1)
        self.val, self.trained = sorted(order[:held_out]), sorted(order[held_out:])
        self.weights = class_weights(self.targets, len(classes), "balanced").to(device)
        self.per_epoch = max(1, len(self.trained) // settings.batch_size)

    def identity(self) -> dict[str, Any]:
        """Return everything that decides the result, so that no other's state is taken up."""
        return {
            "format": 2,  # of what a step draws and `Training.state` holds
            "settings": self.settings.model_dump(exclude=NOT_READ),
            "origin": self.origin,
            "classes": self.classes,
            "seed": list(self.seed),
            "clips": [[c.utt, c.sha256, c.seconds, self.labels[c.utt]] for c in self.clips],
        }

    def training(self, progress: Progress | None) -> Training:
        """Return the training: `steps` steps, a look at val after every epoch and the last step."""
        settings = self.settings
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        return Training(
            name=STEP_NAME,
            model=self.model,
            optimiser=torch.optim.Adam(trained, lr=settings.learning_rate),
            epochs=math.ceil(settings.steps / self.per_epoch),
            seed=self.seed,
            batches=self._batches,
            gradients=self._gradients,
            measure=self._measure,
            stopping=EarlyStopping(),
            rate=lambda epoch, step: learning_rate(settings, step),
            progress=progress,
        )

    def _batches(self, epoch: int, done: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (step from 0, positions of its clips)."""
        size, first = self.settings.batch_size, (epoch - 1) * self.per_epoch
        order = rng(*self.seed, "batches", epoch - 1).permutation(self.trained)
        for number in range(done, min(self.per_epoch, self.settings.steps - first)):
            yield first + number, order[number * size : (number + 1) * size]

    def _gradients(self, batch: tuple[int, np.ndarray]) -> Row:
        step, chosen = batch
        waveforms = self.audio.batch(
            [int(index) for index in chosen],
            max(int(self.settings.crop_s * SAMPLE_RATE), self.shortest),
            self.shortest,
            rng(*self.seed, "crops", step),
        )
        torch.manual_seed(derive_seed(*self.seed, "step", step))
        frames, clips = self.model(torch.from_numpy(waveforms).to(self.device))
        targets = self.targets[chosen].to(self.device)
        repeated = targets[:, None].expand(-1, frames.shape[1])
        loss = cross_entropy(clips, targets, weight=self.weights)
        loss = loss + cross_entropy(frames.transpose(1, 2), repeated, weight=self.weights)
        return gradients_of(loss)

    def _measure(self, epoch: int, rows: list[Row]) -> tuple[Row, float]:
        val_loss, accuracy = self._score_val()
        row = {
            "step": min(epoch * self.per_epoch, self.settings.steps),
            "train_loss": sum(row["loss"] for row in rows) / len(rows),
            "val_loss": val_loss,
            "val_accuracy": accuracy,
        }
        return row, val_loss

    @torch.inference_mode()
    def _score_val(self) -> tuple[float, float]:
        """Return the loss and accuracy on val, scored clip by clip, whole.

        Norms over time would mix a padded clip with its pad.
        """
        self.model.eval()
        total, weight, right = 0.0, 0.0, 0
        for index in self.val:
            waveform = torch.from_numpy(self.audio.whole(int(index), self.shortest))
            frames, clips = self.model(waveform[None].to(self.device))
            target = self.targets[index].to(self.device)
            loss = cross_entropy(clips, target[None])
            loss = loss + cross_entropy(frames[0], target.expand(frames.shape[1]))
            total += float(loss * self.weights[target])
            weight += float(self.weights[target])
            right += int(clips[0].argmax() == target)
        return total / weight, right / len(self.val)

    def write(self, training: Training, out: Path) -> None:
        """Write the weights of lowest val loss, what they are, and the history."""
        best = training.history[training.stopping.best_epoch - 1]
        save_states(
            self.model,
            out,
            origin=self.origin,
            train_clips=len(self.trained),
            val_clips=len(self.val),
            best_step=best["step"],
            best_val_loss=best["val_loss"],
        )
        write_tsv(out / HISTORY, pd.DataFrame(training.history))


def train_labels(
    manifest_tsv: str | os.PathLike[str], fold_tsv: str | os.PathLike[str]
) -> dict[str, str]:
    """Return the label of every train clip of the fold, and of no other."""
    fold = read_tsv(fold_tsv)
    wanted = set(fold.loc[fold["split"] == "train", "utt"])
    manifest = read_tsv(manifest_tsv)
    rows = manifest[manifest["utt"].isin(wanted)]
    if len(rows) != len(wanted) or rows.empty:
        raise InputError(
            f"p-tapt: {fold_tsv} has {len(wanted)} train clips, of which {len(rows)} are in "
            f"{manifest_tsv}; expected all of them and at least one"
        )
    return dict(zip(rows["utt"], rows["label"], strict=True))


def learning_rate(settings: FirstStage, step: int) -> float:
    """Return the rate of `step` (from 0): linear warm-up, flat, linear to zero."""
    warmup = int(settings.warmup * settings.steps)
    return scheduled_rate(step, settings.learning_rate, settings.steps, warmup, settings.flat)


def _model(settings: FirstStage, classes: list[str], seed: int) -> EmotionStates:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if settings.checkpoint:
            return EmotionStates(load_wav2vec(settings.checkpoint), classes, freeze_features=True)
        shape = Shape(settings.scratch.channels, tuple(settings.scratch.aggregator))
        return EmotionStates(Wav2Vec(shape), classes, freeze_features=False)


def _hash(path: str) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise InputError(
            f"p-tapt: cannot read {path} ({error.strerror}); expected fairseq's wav2vec_large.pt "
            "(first_stage.checkpoint)"
        ) from None
