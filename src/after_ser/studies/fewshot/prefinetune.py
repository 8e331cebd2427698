"""Multi-task pre-finetuning of the transformer on a combination of source corpora."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from after_ser.core.seeding import rng
from after_ser.learn.finetune.batches import collate, epoch_batches, scoring_batches
from after_ser.learn.finetune.predict import frames_per_batch
from after_ser.learn.stopping import EarlyStopping
from after_ser.learn.training import Row, Training
from after_ser.model.latents import Latents
from after_ser.model.load import WEIGHTS
from after_ser.model.registry import family_of
from after_ser.model.save import file_sha256, save_tensors
from after_ser.run.atomic import write_json, write_tsv
from after_ser.run.device import choose_device, device_name, make_deterministic, set_threads
from after_ser.run.lock import exclusive
from after_ser.run.progress import Progress, say
from after_ser.run.termination import Termination
from after_ser.run.timing import Stopwatch
from after_ser.studies.fewshot.multitask import MultiTask
from after_ser.studies.fewshot.optimise import few_shot_training, steps_of
from after_ser.studies.fewshot.sources import Source

Batch = tuple[str, np.ndarray]  # corpus, positions among its train clips
NAME = "prefinetune"
HEADS = "heads.safetensors"


def prefinetune(
    start: str | os.PathLike[str],
    sources: list[Source],
    latents: Mapping[str, Latents],
    settings: Mapping[str, Any],
    seed: int,
    out_folder: str | os.PathLike[str],
    state_folder: str | os.PathLike[str],
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Train on all `sources` at once and write a checkpoint folder that fine-tuning starts from.

    Beside the encoder (config.json, model.safetensors, preprocessor_config.json): the heads
    (heads.safetensors), log.tsv, summary.json, timing.json. The epoch of highest val accuracy,
    averaged over the corpora, is kept. The state folder takes a state per epoch and on SIGTERM
    (exit status 143); it is gone after success. Raises InputError where the loss is not finite,
    and for a second process with the same state folder.
    """
    with exclusive(state_folder), Termination() as termination:
        watch = Stopwatch()
        set_threads(threads)
        make_deterministic()
        run = _Prefinetuning(Path(start), sources, latents, settings, seed, choose_device(device))
        progress = Progress(
            NAME, state_folder, run.identity, watch, termination, steps=run.steps_per_epoch
        )
        with watch.computing():
            training = run.training(progress).run()
        run.write(training, Path(out_folder))
        timing = watch.read(NAME, device_name(run.device), threads)
        write_json(Path(out_folder) / "timing.json", timing)
        progress.finish()


class _Prefinetuning:
    def __init__(
        self,
        start: Path,
        sources: list[Source],
        latents: Mapping[str, Latents],
        settings: Mapping[str, Any],
        seed: int,
        device: torch.device,
    ) -> None:
        self.start, self.latents, self.settings, self.device = start, latents, settings, device
        self.sources = {source.corpus: source for source in sources}
        self.seed: tuple[str | int, ...] = (NAME, *self.sources, seed)
        classes = {source.corpus: source.classes for source in sources}
        # heads are named by their corpus alone: it begins alike in every combination
        self.family = family_of(start)
        self.model = MultiTask(self.family.body(start), classes, NAME, seed).to(device)
        self.steps_per_epoch = steps_of(len(self._batches(1)), settings["accumulation"])

    def identity(self) -> dict[str, Any]:
        """Return everything that decides the result, so that no other's state is taken up."""
        return {
            "format": 2,  # of what a step draws and `Training.state` holds
            "settings": dict(self.settings),
            "seed": list(self.seed),
            "start": file_sha256(self.start / WEIGHTS),
            "clips": {name: [s.classes, s.train, s.val] for name, s in self.sources.items()},
        }

    def training(self, progress: Progress | None) -> Training:
        """Return the training of the transformer and all heads."""
        settings = self.settings
        return few_shot_training(
            self.model,
            settings,
            name="pre-finetuning",
            epochs=settings["max_epochs"],
            seed=self.seed,
            batches=self._batches,
            loss=self._loss,
            measure=self._measure,
            stopping=EarlyStopping(settings["patience"], "max", settings["threshold"]),
            progress=progress,
        )

    def _measure(self, epoch: int, rows: list[Row]) -> tuple[Row, float]:
        losses = [loss for row in rows for loss in row["losses"]]
        loss = sum(losses) / len(losses)
        accuracy = {corpus: self._val_accuracy(corpus) for corpus in self.sources}
        mean = float(np.mean(list(accuracy.values())))
        say(f"{NAME}: epoch {epoch}: loss {loss:.4f} (1 is chance), val accuracy {mean:.4f}")
        row = {"epoch": epoch, "train_loss": loss, "val_accuracy": mean}
        return row | {f"val_accuracy_{name}": value for name, value in accuracy.items()}, mean

    def _batches(self, epoch: int) -> list[Batch]:
        """Return an epoch: each clip of each corpus once, so batches are in proportion to sizes."""
        batches: list[Batch] = []
        for corpus, source in self.sources.items():
            lengths = np.array([self.latents[corpus].length(utt) for utt, _ in source.train])
            draw = rng(*self.seed, "batches", corpus, epoch)
            size = self.settings["batch_size"]
            batches += [(corpus, part) for part in epoch_batches(lengths, size, draw)]
        order = rng(*self.seed, "order", epoch).permutation(len(batches))
        return [batches[index] for index in order]

    def _loss(self, batch: Batch) -> Tensor:
        corpus, part = batch
        source = self.sources[corpus]
        clips = [source.train[index] for index in part]
        frames = [self.latents[corpus].frames(utt) for utt, _ in clips]
        targets = torch.tensor([source.classes.index(label) for _, label in clips])
        return self.model.loss(
            *collate(frames, self.device), targets.to(self.device), corpus=corpus
        )

    @torch.inference_mode()
    def _val_accuracy(self, corpus: str) -> float:
        source, store = self.sources[corpus], self.latents[corpus]
        self.model.eval()
        lengths = np.array([store.length(utt) for utt, _ in source.val])
        truth = np.array([source.classes.index(label) for _, label in source.val])
        guessed = np.zeros(len(truth), dtype=int)
        for part in scoring_batches(lengths, frames_per_batch(self.device)):
            frames = [store.frames(source.val[index][0]) for index in part]
            logits = self.model(*collate(frames, self.device), corpus=corpus)
            guessed[part] = logits.argmax(1).cpu().numpy()
        return float((guessed == truth).mean())

    def write(self, training: Training, out: Path) -> None:
        """Write the kept epoch's encoder and heads, and what is known about the run."""
        self.family.save(self.start, self.model.body.body, out)
        weights = self.model.state_dict()
        heads = {name: value for name, value in weights.items() if name.startswith("heads.")}
        save_tensors(out / HEADS, heads)
        write_tsv(out / "log.tsv", pd.DataFrame(training.history))
        kept = training.history[training.stopping.best_epoch - 1]
        write_json(
            out / "summary.json",
            {
                "sources": {
                    source.corpus: {
                        "classes": source.classes,
                        "train": len(source.train),
                        "val": len(source.val),
                        "val_accuracy": kept[f"val_accuracy_{source.corpus}"],
                        "val_majority": _majority(source),
                    }
                    for source in self.sources.values()
                },
                "epochs": len(training.history),
                "best_epoch": training.stopping.best_epoch,
                "train_loss": kept["train_loss"],
            },
        )


def _majority(source: Source) -> float:
    """Return the val accuracy of always guessing the most frequent train class."""
    labels = [label for _, label in source.train]
    most = max(source.classes, key=lambda name: (labels.count(name), name))
    return sum(label == most for _, label in source.val) / len(source.val)
