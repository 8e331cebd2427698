"""Training on masked frames: task-adaptive from a backbone (section 2.2), or from scratch.

Every random source of a step is named by the seed and the step, never carried along, so that a
run resumed from (weights, optimiser, step, log) goes on exactly as if it had not been stopped.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.seeding import derive_seed
from after_ser.learn.adam import Adam
from after_ser.learn.stopping import EarlyStopping
from after_ser.learn.tapt.batches import Batches
from after_ser.learn.tapt.clips import Clip
from after_ser.learn.tapt.masked_batch import MaskedBatch
from after_ser.learn.tapt.objectives.registry import build_objective
from after_ser.learn.tapt.processes import Team, run_together
from after_ser.learn.tapt.pseudo_labels import PseudoLabels
from after_ser.learn.tapt.settings import PretrainSettings
from after_ser.learn.tapt.step import MaskedLoss, add_gradients, parts_of
from after_ser.learn.tapt.validation import Validation
from after_ser.learn.training import Row, Training
from after_ser.model.families.base import Pretraining
from after_ser.model.load import WEIGHTS
from after_ser.model.registry import family_of, family_of_architecture
from after_ser.model.save import check_finite, file_sha256
from after_ser.run.atomic import write_json, write_tsv
from after_ser.run.device import (
    choose_device,
    device_name,
    make_deterministic,
    set_threads,
    several_gpus,
)
from after_ser.run.lock import exclusive
from after_ser.run.progress import Progress, say
from after_ser.run.termination import Termination
from after_ser.run.timing import Stopwatch

Start = str | os.PathLike[str] | Mapping[str, Any]
#: The loss has levelled off where its mean over the last share WINDOW of the steps is less than
#: THRESHOLD below that over the share before.
WINDOW, THRESHOLD = 0.1, 0.01


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
            watch, name = Stopwatch(), str(seed[0])
            set_threads(threads)
            make_deterministic()
            team = team or Team(choose_device(device))
            run = _Pretraining(start, list(clips), settings, seed, team, targets, list(validation))
            progress = Progress(
                *(name, state_folder, run.identity, watch, termination),
                steps=settings.checkpoint_every, writes=team.main, anywhere=team.any,
            )  # fmt: skip
            with watch.computing():
                training = run.training(progress).run()
            if team.main:
                run.write(training, Path(out_folder))
                where = device_name(team.device)
                where = where if team.count == 1 else f"{team.count} x {where}"
                write_json(Path(out_folder) / "timing.json", watch.read(name, where, threads))
            progress.finish()

    with exclusive(state_folder):
        if processes > 1 and (device == "cpu" or several_gpus(device, processes)):
            run_together(processes, device == "cpu", work)
        else:
            work(None)


def measurable(
    start: Start,
    clips: Sequence[Clip],
    settings: PretrainSettings,
    device: str,
    threads: int,
    targets: PseudoLabels | None = None,
) -> tuple[Callable[[int], MaskedBatch], Callable[[MaskedBatch], Row], Pretraining]:
    """Return what makes a step's batch, what does the step, and the model, to measure them.

    They are those of `pretrain`, and its arguments; nothing is written.
    """
    set_threads(threads)
    make_deterministic()
    team = Team(choose_device(device))
    run = _Pretraining(start, list(clips), settings, ("measured",), team, targets)
    training = run.training(None)
    training.model.train()
    return run.batches.make, lambda batch: training.step((0, batch)), run.model


class _Pretraining:
    """Model, objective and batches of one pre-training."""

    def __init__(
        self,
        start: Start,
        clips: list[Clip],
        settings: PretrainSettings,
        seed: tuple[str | int, ...],
        team: Team,
        targets: PseudoLabels | None = None,
        validation: Sequence[Clip] = (),
    ) -> None:
        self.start, self.clips, self.settings, self.seed, self.team = (
            start, clips, settings, seed, team
        )  # fmt: skip
        self.targets, self.held_out = targets, validation
        self.step_name = str(seed[0])
        if isinstance(start, Mapping):
            model = family_of_architecture(start).build(start, derive_seed(*seed, "weights"))
        else:
            model = family_of(start).pretraining(start)
        self.model = model
        model.module.to(team.device)
        self.objective = build_objective(
            settings.objective,
            model,
            derive_seed(*seed, "head"),
            settings.temperature,
            targets.sizes if targets is not None else (),
        ).to(team.device)
        self.objective.freeze(model)
        self.loss = MaskedLoss(model, self.objective, settings.precision == "bf16")
        self.shared_loss = team.wrap(self.loss)
        geometry = model.body.geometry
        self.batches = Batches(clips, settings, geometry, model.prepare, seed, targets)
        self.validation: Validation | None = None
        if validation:
            self.validation = Validation(validation, settings, geometry, model.prepare, seed)
        #: Steps between two measurements on held-out clips.
        self.per_epoch = settings.validate_every if validation else settings.steps

    def identity(self) -> dict[str, Any]:
        """Return everything that decides the result, so that no other's state is taken up."""
        start = self.start
        return {
            "format": 3,  # of what a step draws and `Training.state` holds
            "settings": self.settings.identity(),
            "seed": list(self.seed),
            "clips": [[clip.utt, clip.sha256, clip.seconds] for clip in self.clips],
            "validation": [[[clip.utt, clip.sha256] for clip in self.held_out], self.per_epoch],
            "targets": None if self.targets is None else self.targets.sha256,
            "start": dict(start)
            if isinstance(start, Mapping)
            else file_sha256(Path(start) / WEIGHTS),
        }

    def training(self, progress: Progress | None) -> Training:
        """Return the training, of which validation decides nothing."""
        settings = self.settings
        trained = [weight for weight in self.loss.parameters() if weight.requires_grad]
        return Training(
            name=self.step_name,
            model=self.loss,
            optimiser=Adam(trained, lr=settings.learning_rate),
            epochs=math.ceil(settings.steps / self.per_epoch),
            seed=self.seed,
            batches=self._batches,
            gradients=self._gradients,
            measure=self._measure,
            stopping=EarlyStopping(keep_last=True),
            rate=lambda epoch, step: settings.rate(step),
            clip_norm=settings.clip_norm,
            clips=lambda numbered: numbered[1].utts,
            progress=progress,
        )

    def _batches(self, epoch: int, done: int) -> Iterator[tuple[int, MaskedBatch]]:
        """Yield (step from 0, its batch)."""
        first = (epoch - 1) * self.per_epoch
        last = min(first + self.per_epoch, self.settings.steps)
        return zip(
            range(first + done, last), self.batches.prefetch(first + done, last), strict=True
        )

    def _gradients(self, numbered: tuple[int, MaskedBatch]) -> Row:
        step, batch = numbered
        settings = self.settings
        parts = parts_of(batch, self.team, settings.accumulation)
        row = add_gradients(self.shared_loss, self.loss, parts, self.team, settings.gumbel(step))
        if (step + 1) % max(settings.steps // 20, 1) == 0:
            say(f"{self.step_name}: step {step + 1} of {settings.steps}, loss {row['loss']:.4f}")
        return row

    def _measure(self, epoch: int, rows: list[Row]) -> tuple[Row, None]:
        """Measure the loss on the held-out clips; the first process does it, the others wait."""
        if self.validation is None or not self.team.main:
            return {}, None
        step = min(epoch * self.per_epoch, self.settings.steps)
        scores = self.validation.measure(self.loss, self.team.device)
        say(f"{self.step_name}: step {step}, validation loss {scores['loss']:.4f}")
        return {"step": step, **scores}, None

    def write(self, training: Training, out: Path) -> None:
        """Write the outputs; the objective's own head is not among them.

        The model comes first: where it is not finite, nothing is written.
        """
        log = pd.DataFrame(training.rows)
        log.insert(0, "step", range(1, len(log) + 1))
        log["lr"] = [f"{self.settings.rate(step):.6e}" for step in range(len(log))]
        check_finite(out / WEIGHTS, self.model.module.state_dict())
        self.model.save(out)
        write_tsv(out / "log.tsv", log)
        if self.validation is not None:
            write_tsv(out / "validation.tsv", pd.DataFrame(training.history))
        write_json(out / "summary.json", self._summary(training))

    def _summary(self, training: Training) -> dict[str, Any]:
        summary = {
            "objective": self.settings.objective,
            **levelled_off([row["loss"] for row in training.rows]),
        }
        if training.history:
            summary["validation_loss_last"] = training.history[-1]["loss"]
        if not self.objective.reads_codes:
            return summary
        config = self.model.quantiser.config
        return {
            **summary,
            "perplexity_last": training.rows[-1]["perplexity"],
            "perplexity_of_one_code": float(config.num_codevector_groups),
            "perplexity_of_all_codes": float(
                config.num_codevector_groups * config.num_codevectors_per_group
            ),
        }


def levelled_off(losses: Sequence[float]) -> dict[str, Any]:
    """Compare the mean loss of the last 10 % of steps with that of the 10 % before.

    "levelled_off" is true where the relative improvement is below 1 %, and null for runs of
    fewer than 20 steps, which cannot tell.
    """
    window = int(len(losses) * WINDOW)
    record: dict[str, Any] = {
        "steps": len(losses),
        "window_steps": window,
        "loss_first": _mean(losses[:window]) if window else None,
        "loss_before": None,
        "loss_last": None,
        "relative_improvement": None,
        "threshold": THRESHOLD,
        "levelled_off": None,
    }
    if window < 2:
        return record
    before, last = _mean(losses[-2 * window : -window]), _mean(losses[-window:])
    improvement = (before - last) / abs(before) if before else 0.0
    return record | {
        "loss_before": before,
        "loss_last": last,
        "relative_improvement": improvement,
        "levelled_off": improvement < THRESHOLD,
    }


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))
