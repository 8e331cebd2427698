"""Multi-task pre-finetuning of the transformer on a combination of source corpora."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from after_ser.backbone.latents import Latents
from after_ser.backbone.load import WEIGHTS, load_encoder, wants_normalised
from after_ser.backbone.save import file_sha256, save_pretraining_model, save_tensors
from after_ser.backbone.transformer import load_body
from after_ser.fewshot.multitask import MultiTask
from after_ser.fewshot.optimise import EarlyStopping, Stepper, steps_of
from after_ser.fewshot.sources import Source
from after_ser.finetune.batches import collate, epoch_batches, scoring_batches
from after_ser.finetune.predict import frames_per_batch
from after_ser.runtime.atomic import write_json, write_tsv
from after_ser.runtime.checkpoint import Checkpoints
from after_ser.runtime.device import choose_device, device_name, make_deterministic, set_threads
from after_ser.runtime.lock import exclusive
from after_ser.runtime.seeding import derive_seed, rng
from after_ser.runtime.termination import EXIT_STATUS, Termination
from after_ser.runtime.timing import Stopwatch

Batch = tuple[str, np.ndarray]  # corpus, positions among its train clips
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
    averaged over the corpora, is kept. Every epoch is checkpointed in the state folder, also on
    SIGTERM (exit status 143); it is gone after success. Raises InputError where the loss is not
    finite, and for a second process with the same state folder.
    """
    with exclusive(state_folder), Termination() as termination:
        run = _Run(Path(start), sources, latents, dict(settings), seed, state_folder, device,
                   threads)  # fmt: skip
        run.train(termination)
        run.write(Path(out_folder))
        if not termination.orphaned:  # else it will be started again, from its last epoch
            run.checkpoints.clear()


class _Run:
    def __init__(
        self,
        start: Path,
        sources: list[Source],
        latents: Mapping[str, Latents],
        settings: dict[str, Any],
        seed: int,
        state_folder: str | os.PathLike[str],
        device: str,
        threads: int,
    ) -> None:
        self.sources = {source.corpus: source for source in sources}
        self.latents, self.settings, self.threads = latents, settings, threads
        self.seed: tuple[str | int, ...] = ("prefinetune", *self.sources, seed)
        set_threads(threads)
        make_deterministic()
        self.device = choose_device(device)
        self.scale = wants_normalised(start)
        self.start = start
        classes = {source.corpus: source.classes for source in sources}
        # heads are named by their corpus alone: it begins alike in every combination
        self.model = MultiTask(load_body(start), classes, "prefinetune", seed).to(self.device)
        per_epoch = steps_of(len(self._batches(1)), settings["accumulation"])
        self.stepper = Stepper(self.model, settings, settings["max_epochs"] * per_epoch)
        self.stopping = EarlyStopping(settings["patience"], settings["threshold"])
        self.kept: dict[str, Tensor] = {}
        self.rows: list[dict[str, float]] = []
        identity = {
            "settings": settings,
            "seed": list(self.seed),
            "start": file_sha256(start / WEIGHTS),
            "clips": {s.corpus: [s.classes, s.train, s.val] for s in sources},
        }
        self.checkpoints = Checkpoints(state_folder, identity)
        self._resume()

    def _resume(self) -> None:
        found = self.checkpoints.load()
        self.watch = Stopwatch(None if found is None else found[1]["timing"])
        if found is None:
            return
        _, state = found
        self.model.load_state_dict(state["model"])
        self.kept = state["kept"]
        self.stepper.optimiser.load_state_dict(state["optimiser"])
        self.stepper.done = state["steps"]
        self.rows = state["rows"]
        self.stopping = EarlyStopping(**state["stopping"])
        _say(f"resuming after epoch {len(self.rows)}")

    def train(self, termination: Termination) -> None:
        """Do the epochs that are left."""
        while len(self.rows) < self.settings["max_epochs"] and not self.stopping.stop:
            with self.watch.computing():
                self._one_epoch(len(self.rows) + 1)
            self._save()
            if termination.requested:
                _say(f"{termination.reason}; epoch {len(self.rows)} is saved")
                raise SystemExit(EXIT_STATUS)

    def _one_epoch(self, epoch: int) -> None:
        torch.manual_seed(derive_seed(*self.seed, "dropout", epoch))
        self.model.train()
        loss = self.stepper.epoch(self._batches(epoch), self._loss, "pre-finetuning")
        accuracy = {corpus: self._val_accuracy(corpus) for corpus in self.sources}
        mean = float(np.mean(list(accuracy.values())))
        self.rows.append(
            {"epoch": epoch, "train_loss": loss, "val_accuracy": mean}
            | {f"val_accuracy_{corpus}": value for corpus, value in accuracy.items()}
        )
        if self.stopping.update(epoch, mean):
            self.kept = {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}
        _say(f"epoch {epoch}: loss {loss:.4f} (1 is chance), val accuracy {mean:.4f}")

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

    def _save(self) -> None:
        stopping = self.stopping
        self.checkpoints.save(
            len(self.rows),
            {
                "model": self.model.state_dict(),
                "kept": self.kept,
                "optimiser": self.stepper.optimiser.state_dict(),
                "steps": self.stepper.done,
                "rows": self.rows,
                "stopping": dict(vars(stopping)),
                "timing": self._timing(),
            },
        )

    def _timing(self) -> dict[str, Any]:
        return self.watch.read("prefinetune", device_name(self.device), self.threads)

    def write(self, out: Path) -> None:
        """Write the kept epoch's encoder and heads, and what is known about the run."""
        self.model.load_state_dict(self.kept)
        encoder = load_encoder(self.start)
        encoder.encoder.load_state_dict(self.model.body.transformer.state_dict())
        save_pretraining_model(encoder, out, self.scale)
        heads = {name: value for name, value in self.kept.items() if name.startswith("heads.")}
        save_tensors(out / HEADS, heads)
        log = pd.DataFrame(self.rows)
        log["epoch"] = log["epoch"].astype(int)
        write_tsv(out / "log.tsv", log)
        kept = self.rows[self.stopping.best_epoch - 1]
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
                "epochs": len(self.rows),
                "best_epoch": self.stopping.best_epoch,
                "train_loss": kept["train_loss"],
            },
        )
        write_json(out / "timing.json", self._timing())


def _majority(source: Source) -> float:
    """Return the val accuracy of always guessing the most frequent train class."""
    labels = [label for _, label in source.train]
    most = max(source.classes, key=lambda name: (labels.count(name), name))
    return sum(label == most for _, label in source.val) / len(source.val)


def _say(text: str) -> None:
    print(f"prefinetune: {text}", file=sys.stderr)
