"""P-TAPT, stage 1: train the emotion-state model on the clips and labels of a train split.

Every random source of a step is named by the seed and the step, so that a run resumed from a
checkpoint goes on exactly as if it had not been stopped.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from after_ser.backbone.geometry import SAMPLE_RATE
from after_ser.backbone.save import file_sha256
from after_ser.errors import InputError
from after_ser.finetune.train import class_weights
from after_ser.ptapt.audio import Audio
from after_ser.ptapt.fairseq import load_wav2vec
from after_ser.ptapt.settings import StatesSettings
from after_ser.ptapt.states import EmotionStates, save_states
from after_ser.ptapt.wav2vec import Shape, Wav2Vec
from after_ser.runtime.atomic import write_json, write_tsv
from after_ser.runtime.checkpoint import Checkpoints
from after_ser.runtime.device import choose_device, device_name, make_deterministic, set_threads
from after_ser.runtime.lock import exclusive
from after_ser.runtime.seeding import derive_seed, rng
from after_ser.runtime.termination import EXIT_STATUS, Termination
from after_ser.runtime.timing import Stopwatch
from after_ser.tapt.clips import Clip

HISTORY = "history.tsv"
TIMING = "timing.json"
STEP_NAME = "ptapt_states"


def train_states(
    clips: Sequence[Clip],
    labels: Mapping[str, str],
    classes: Sequence[str],
    settings: StatesSettings,
    seed: tuple[str | int, ...],
    out_folder: str | os.PathLike[str],
    state_folder: str | os.PathLike[str],
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Train on `clips` and write states.safetensors, states.json, history.tsv and timing.json.

    `labels` maps each clip to one of `classes`. A random `val_share` of the clips is held out;
    the weights of lowest loss on them are kept. `seed` are the named parts, the state folder is
    as in `tapt.train.pretrain`. Raises InputError for fewer than two clips, an unusable checkpoint
    and a loss that is not finite.
    """
    if len(clips) < 2:
        raise InputError(f"p-tapt: {len(clips)} train clip; expected two, one of them to stop by")
    with exclusive(state_folder), Termination() as termination:
        run = _Run(
            list(clips), labels, list(classes), settings, seed, state_folder, device, threads
        )
        run.train(termination)
        run.write(Path(out_folder))
        if termination.orphaned:  # nobody notes that it is done: it will be started again
            run.stop(termination)
        run.checkpoints.clear()


class _Run:
    def __init__(
        self,
        clips: list[Clip],
        labels: Mapping[str, str],
        classes: list[str],
        settings: StatesSettings,
        seed: tuple[str | int, ...],
        state_folder: str | os.PathLike[str],
        device: str,
        threads: int,
    ) -> None:
        self.settings, self.seed, self.threads = settings, seed, threads
        set_threads(threads)
        make_deterministic()
        self.device = choose_device(device)
        self.origin: dict[str, Any] = (
            {"kind": "fairseq", "sha256": _hash(settings.checkpoint)}
            if settings.checkpoint
            else {"kind": "scratch"}
        )
        self.model = _model(settings, classes, derive_seed(*seed, "weights")).to(self.device)
        self.shortest = self.model.geometry.receptive_field
        self.audio = Audio(clips)
        self.targets = torch.tensor([classes.index(labels[clip.utt]) for clip in clips])
        order = rng(*seed, "val").permutation(len(clips))
        held_out = min(max(1, round(settings.val_share * len(clips))), len(clips) - 1)
        self.val, self.trained = sorted(order[:held_out]), sorted(order[held_out:])
        weights = class_weights(self.targets, len(classes), "balanced")
        assert weights is not None
        self.weights = weights.to(self.device)
        self.per_epoch = max(1, len(self.trained) // settings.batch_size)
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate)
        identity = {
            "settings": settings.identity(),
            "origin": self.origin,
            "classes": classes,
            "seed": list(seed),
            "clips": [[clip.utt, clip.sha256, clip.seconds, labels[clip.utt]] for clip in clips],
        }
        self.checkpoints = Checkpoints(state_folder, identity)
        self.done = 0
        self.rows: list[dict[str, float]] = []
        self.losses: list[float] = []  # of the training steps since the last row
        self.best = {"loss": math.inf, "step": 0.0}
        self.best_state: dict[str, Tensor] = {}
        self.watch = Stopwatch()
        self._resume()

    def _resume(self) -> None:
        found = self.checkpoints.load()
        if found is None:
            return
        self.done, state = found
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.best_state, self.best = state["best_state"], state["best"]
        self.rows, self.losses = state["rows"], state["losses"]
        self.watch = Stopwatch(state["timing"])
        _say(f"{STEP_NAME}: resuming after step {self.done} of {self.settings.steps}")

    def train(self, termination: Termination) -> None:
        """Do the steps that are left; look at val after every epoch and the last step."""
        steps = self.settings.steps
        while self.done < steps:
            with self.watch.computing():
                self.losses.append(self._one_step(self.done))
                self.done += 1
                if self.done % self.per_epoch == 0 or self.done == steps:
                    self._look_at_val()
            if termination.requested:
                self.stop(termination)
            if self.done % self.settings.checkpoint_every == 0 and self.done < steps:
                self._save()

    def stop(self, termination: Termination) -> None:
        """Save the last step and end the process."""
        self._save()
        _say(f"{STEP_NAME}: {termination.reason}; step {self.done} is saved")
        raise SystemExit(EXIT_STATUS)

    def _one_step(self, step: int) -> float:
        settings = self.settings
        epoch, position = divmod(step, self.per_epoch)
        order = rng(*self.seed, "batches", epoch).permutation(self.trained)
        chosen = order[position * settings.batch_size : (position + 1) * settings.batch_size]
        waveforms = self.audio.batch(
            [int(index) for index in chosen],
            max(int(settings.crop_s * SAMPLE_RATE), self.shortest),
            self.shortest,
            rng(*self.seed, "crops", step),
        )
        torch.manual_seed(derive_seed(*self.seed, "step", step))
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate(step)
        self.model.train()
        frames, clips = self.model(torch.from_numpy(waveforms).to(self.device))
        targets = self.targets[chosen].to(self.device)
        repeated = targets[:, None].expand(-1, frames.shape[1])
        loss = cross_entropy(clips, targets, weight=self.weights)
        loss = loss + cross_entropy(frames.transpose(1, 2), repeated, weight=self.weights)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise InputError(
                f"{STEP_NAME}: the loss is {value} at step {step + 1} of {settings.steps}; "
                "expected a finite one: lower learning_rate (first_stage)"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return value

    @torch.inference_mode()
    def _look_at_val(self) -> None:
        """Score val clip by clip, whole: norms over time would mix a padded clip with its pad."""
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
        row = {
            "step": float(self.done),
            "train_loss": sum(self.losses) / len(self.losses),
            "val_loss": total / weight,
            "val_accuracy": right / len(self.val),
        }
        self.losses = []
        self.rows.append(row)
        if row["val_loss"] < self.best["loss"]:
            self.best = {"loss": row["val_loss"], "step": row["step"]}
            state = self.model.state_dict()
            self.best_state = {name: value.cpu().clone() for name, value in state.items()}

    def _save(self) -> None:
        self.checkpoints.save(
            self.done,
            {
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "best_state": self.best_state,
                "best": self.best,
                "rows": self.rows,
                "losses": self.losses,
                "timing": self._timing(),
            },
        )

    def _timing(self) -> dict[str, Any]:
        return self.watch.read(STEP_NAME, device_name(self.device), self.threads)

    def write(self, out: Path) -> None:
        """Write the weights of lowest val loss, what they are, and the history."""
        self.model.load_state_dict(self.best_state)
        history = pd.DataFrame(self.rows)
        history["step"] = history["step"].astype(int)
        save_states(
            self.model,
            out,
            origin=self.origin,
            train_clips=len(self.trained),
            val_clips=len(self.val),
            best_step=int(self.best["step"]),
            best_val_loss=self.best["loss"],
        )
        write_tsv(out / HISTORY, history)
        write_json(out / TIMING, self._timing())


def _model(settings: StatesSettings, classes: list[str], seed: int) -> EmotionStates:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if settings.checkpoint:
            return EmotionStates(load_wav2vec(settings.checkpoint), classes, freeze_features=True)
        assert settings.scratch is not None
        shape = Shape(settings.scratch["channels"], tuple(settings.scratch["aggregator"]))
        return EmotionStates(Wav2Vec(shape), classes, freeze_features=False)


def _hash(path: str) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise InputError(
            f"p-tapt: cannot read {path} ({error.strerror}); expected fairseq's wav2vec_large.pt "
            "(first_stage.checkpoint)"
        ) from None


def _say(text: str) -> None:
    print(text, file=sys.stderr)
