"""Training on masked frames: task-adaptive from a backbone (section 2.2), or from scratch.

Every random source of a step is named by the seed and the step, never carried along, so that a
run resumed from (weights, optimiser, step, log) goes on exactly as if it had not been stopped.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from after_ser.backbone.dropout import quicken
from after_ser.backbone.geometry import Geometry
from after_ser.backbone.load import WEIGHTS, load_pretraining_model, wants_normalised
from after_ser.backbone.save import check_finite, file_sha256, save_pretraining_model
from after_ser.backbone.scratch import build_scratch
from after_ser.errors import InputError
from after_ser.runtime.adam import Adam
from after_ser.runtime.atomic import write_json, write_tsv
from after_ser.runtime.checkpoint import Checkpoints
from after_ser.runtime.device import (
    choose_device,
    device_name,
    make_deterministic,
    set_threads,
    several_gpus,
)
from after_ser.runtime.lock import exclusive
from after_ser.runtime.seeding import derive_seed
from after_ser.runtime.termination import EXIT_STATUS, Termination
from after_ser.runtime.timing import Stopwatch
from after_ser.tapt.batches import Batches
from after_ser.tapt.clips import Clip
from after_ser.tapt.masked_batch import MaskedBatch
from after_ser.tapt.objectives.registry import build_objective
from after_ser.tapt.processes import Team, run_together
from after_ser.tapt.pseudo_labels import PseudoLabels
from after_ser.tapt.settings import PretrainSettings
from after_ser.tapt.step import MaskedLoss, add_gradients, parts_of
from after_ser.tapt.summary import levelled_off
from after_ser.tapt.validation import Validation

if TYPE_CHECKING:
    from transformers import Wav2Vec2ForPreTraining

Start = str | os.PathLike[str] | Mapping[str, Any]


def pretrain(
    start: Start,
    clips: Sequence[Clip],
    settings: PretrainSettings,
    seed: tuple[str | int, ...],
    out_folder: str | os.PathLike[str],
    state_folder: str | os.PathLike[str],
    device: str = "auto",
    threads: int = 1,
    targets: PseudoLabels | None = None,
    processes: int = 1,
    validation: Sequence[Clip] = (),
) -> None:
    """Train on `clips`; write a checkpoint folder, log.tsv, timing.json, summary.json.

    `start` is a checkpoint folder, or an architecture dict to begin from random weights; `seed`
    the named parts, e.g. ("tapt", dataset, fold, seed); `targets` is what P-TAPT predicts. The
    state folder takes checkpoints every `checkpoint_every` steps and on SIGTERM (exit status 143),
    and is gone after success; a second process with the same one is refused. Raises InputError
    for unusable input and where the loss is not finite.

    On the clips of `validation` the loss is measured as often as `validations` says, the last
    time after the last step, for validation.tsv; nothing is learnt from them, and nothing decided.

    With `processes` > 1 so many share every step, each on a GPU of its own (on the CPU with device
    "cpu"); then this process must not have used a GPU. Only the first one writes, and a checkpoint
    knows nothing of their number.
    """

    def work(team: Team | None) -> None:
        with Termination() as termination:
            team = team or Team(choose_device(device))
            run = _Run(
                start, list(clips), settings, seed, state_folder, team, threads, targets, validation
            )
            run.train(termination)
            if team.main:
                run.write(Path(out_folder))
            if team.any(termination.orphaned):  # nobody notes that it is done: it starts again
                run.stop(termination)
            if team.main:
                run.checkpoints.clear()

    with exclusive(state_folder):
        if processes > 1 and (device == "cpu" or several_gpus(device, processes)):
            run_together(processes, device == "cpu", work)
        else:
            work(None)


def measurable(
    start: Start,
    clips: Sequence[Clip],
    settings: PretrainSettings,
    state_folder: str | os.PathLike[str],
    device: str,
    threads: int,
) -> tuple[
    Callable[[int], MaskedBatch],
    Callable[[int, MaskedBatch], dict[str, float]],
    Wav2Vec2ForPreTraining,
]:
    """Return what makes a step's batch, what does the step, and the model, to measure them.

    They are those of `pretrain`, and its arguments; nothing is written.
    """
    team = Team(choose_device(device))
    run = _Run(start, list(clips), settings, ("measured",), state_folder, team, threads)
    return run.batches.make, run._one_step, run.model


class _Run:
    """A run's model, optimiser and log, made anew or taken from a checkpoint."""

    def __init__(
        self,
        start: Start,
        clips: list[Clip],
        settings: PretrainSettings,
        seed: tuple[str | int, ...],
        state_folder: str | os.PathLike[str],
        team: Team,
        threads: int,
        targets: PseudoLabels | None = None,
        validation: Sequence[Clip] = (),
    ) -> None:
        self.team, self.device = team, team.device
        self.settings, self.seed, self.threads = settings, seed, threads
        self.step_name = str(seed[0])
        set_threads(threads)
        make_deterministic()
        identity: dict[str, Any] = {
            "format": 2,  # of what a step draws and `_save` keeps
            "settings": settings.identity(),
            "seed": list(seed),
            "clips": [[clip.utt, clip.sha256, clip.seconds] for clip in clips],
        }
        if validation:
            held_out = [[clip.utt, clip.sha256] for clip in validation]
            identity["validation"] = [held_out, settings.validate_every]
        if targets is not None:
            identity["targets"] = targets.sha256
        if isinstance(start, Mapping):
            identity["start"] = dict(start)
            self.scale = True
            model = build_scratch(start, derive_seed(*seed, "weights"))
        else:
            self.scale = wants_normalised(start)
            model = load_pretraining_model(start)
            identity["start"] = file_sha256(Path(start) / WEIGHTS)
        if not hasattr(model.wav2vec2, "masked_spec_embed"):
            raise InputError(
                f"{self.step_name}: the model has no mask embedding, since its config sets "
                "mask_time_prob to 0; expected a model that was pre-trained with masks"
            )
        quicken(model)
        self.model: Wav2Vec2ForPreTraining = model.train().to(self.device)
        self.objective = build_objective(
            settings.objective,
            model.config,
            derive_seed(*seed, "head"),
            settings.temperature,
            targets.sizes if targets is not None else (),
        ).to(self.device)
        self.objective.freeze(self.model)
        both = [*self.model.parameters(), *self.objective.parameters()]
        self.parameters = [parameter for parameter in both if parameter.requires_grad]
        self.optimiser = Adam(self.parameters, lr=settings.learning_rate)
        geometry = Geometry.of(model.config)
        self.batches = Batches(clips, settings, geometry, self.scale, seed, targets)
        self.checkpoints = Checkpoints(state_folder, identity)
        self.validation: Validation | None = None
        if validation:
            self.validation = Validation(validation, settings, geometry, self.scale, seed)
        self.rows: list[dict[str, float]] = []
        self.validated: list[dict[str, float]] = []
        self.done = 0
        self._resume()
        self.loss = MaskedLoss(self.model, self.objective, settings.precision == "bf16")
        self.shared_loss = team.wrap(self.loss)

    def _resume(self) -> None:
        found = self.checkpoints.load()
        if found is None:
            self.watch = Stopwatch()
            return
        self.done, state = found
        self.model.load_state_dict(state["model"])
        self.objective.load_state_dict(state["objective"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.rows = state["rows"]
        self.validated = state.get("validated", [])
        self.watch = Stopwatch(state["timing"])
        _say(f"{self.step_name}: resuming after step {self.done} of {self.settings.steps}")

    def train(self, termination: Termination) -> None:
        """Do the steps that are left."""
        settings = self.settings
        shown = max(settings.steps // 20, 1)
        for batch in self.batches.prefetch(self.done, settings.steps):
            with self.watch.computing():
                self.rows.append(self._one_step(self.done, batch))
            self.done += 1
            if self.done % shown == 0:
                _say(
                    f"{self.step_name}: step {self.done} of {settings.steps}, "
                    f"loss {self.rows[-1]['loss']:.4f}"
                )
            if self.done % settings.validate_every == 0 or self.done == settings.steps:
                self._validate()
            if self.team.any(termination.requested):
                self.stop(termination)
            if self.done % settings.checkpoint_every == 0 and self.done < settings.steps:
                self._save()

    def _validate(self) -> None:
        """Measure the loss on the held-out clips; the first process does it, the others wait."""
        if self.validation is None or not self.team.main:
            return
        with self.watch.computing():
            found = self.validation.measure(self.loss, self.device)
        self.validated.append({"step": float(self.done), **found})
        _say(f"{self.step_name}: step {self.done}, validation loss {found['loss']:.4f}")

    def stop(self, termination: Termination) -> None:
        """Save the last step and end the process."""
        self._save()
        self.team.any(False)  # nobody leaves before it is saved
        _say(f"{self.step_name}: {termination.reason}; step {self.done} is saved")
        raise SystemExit(EXIT_STATUS)

    def _one_step(self, step: int, batch: MaskedBatch) -> dict[str, float]:
        settings = self.settings
        rate = settings.rate(step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        parts = parts_of(batch, self.team, settings.accumulation)
        row = {"step": float(step + 1)}
        row |= add_gradients(self.shared_loss, self.loss, parts, self.team, settings.gumbel(step))
        if not math.isfinite(row["loss"]):
            self._refuse(step, row["loss"], batch)
        if settings.clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(self.parameters, settings.clip_norm)
        self.optimiser.step()
        return row | {"lr": rate}

    def _refuse(self, step: int, loss: float, batch: MaskedBatch) -> None:
        shown = ", ".join(batch.utts[:8]) + (", …" if len(batch.utts) > 8 else "")
        raise InputError(
            f"{self.step_name}: the loss is {loss} at step {step + 1} of {self.settings.steps} "
            f"(utterances {shown}); expected a finite one: check these clips, or lower "
            "learning_rate, or set clip_norm"
        )

    def _save(self) -> None:
        if not self.team.main:
            return
        self.checkpoints.save(
            self.done,
            {
                "model": self.model.state_dict(),
                "objective": self.objective.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "rows": self.rows,
                "validated": self.validated,
                "timing": self._timing(),
            },
        )

    def _timing(self) -> dict[str, Any]:
        device = device_name(self.device)
        if self.team.count > 1:
            device = f"{self.team.count} x {device}"
        return self.watch.read(self.step_name, device, self.threads)

    def write(self, out: Path) -> None:
        """Write the outputs; the objective's own head is not among them.

        The model comes first: where it is not finite, nothing is written.
        """
        log = pd.DataFrame(self.rows)
        log["step"] = log["step"].astype(int)
        log["lr"] = [f"{rate:.6e}" for rate in log["lr"]]
        check_finite(out / WEIGHTS, self.model.state_dict())
        save_pretraining_model(self.model, out, self.scale)
        write_tsv(out / "log.tsv", log)
        if self.validation is not None:
            validated = pd.DataFrame(self.validated)
            write_tsv(out / "validation.tsv", validated.assign(step=validated["step"].astype(int)))
        write_json(out / "summary.json", self._summary())
        write_json(out / "timing.json", self._timing())

    def _summary(self) -> dict[str, Any]:
        last = self.rows[-1]
        summary = {
            "objective": self.settings.objective,
            **levelled_off([row["loss"] for row in self.rows]),
        }
        if self.validated:
            summary["validation_loss_last"] = self.validated[-1]["loss"]
        if not self.objective.reads_codes:
            return summary
        groups, codes = self.objective_codes()
        return {
            **summary,
            "perplexity_last": last["perplexity"],
            "perplexity_of_one_code": float(groups),
            "perplexity_of_all_codes": float(groups * codes),
        }

    def objective_codes(self) -> tuple[int, int]:
        """Return (code-book groups, codes per group)."""
        config = self.model.config
        return int(config.num_codevector_groups), int(config.num_codevectors_per_group)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
