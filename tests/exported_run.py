"""A finished small run that can be exported, made by the library without Snakemake."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import yaml
from finetune_clips import CPU, write_start
from workflow_runs import resolved, tiny

from after_ser.core.seeding import rng
from after_ser.data.datasets.tables import read_fold, read_manifest
from after_ser.judge.grid import cells
from after_ser.learn.finetune.round import read_split, run_round, write_round
from after_ser.model.latents import Latents, extract_latents
from after_ser.model.save import write_origin
from after_ser.run.atomic import write_text, write_tsv

SPEAKERS = ["Ada", "Ben", "Cem", "Dor"]
PER_SPEAKER = 24
HOSTILE = 'Mine <img src=x onerror=alert(1)> | [a](javascript:1) "q"'


def config() -> dict:
    given = tiny()
    given["protocols"]["paper"] |= {
        "head": "sequence-classification", "max_epochs": 4, "learning_rate": 0.01,
    }  # fmt: skip
    given["budget"] = [0.3, 0.6]
    given["seeds"] = [0, 1]
    given["latents"] = "float32"
    given["datasets"]["merged"].pop("extra")
    given["arms"] = {
        "mine": {"label": HOSTILE, "start": "pretrained", "init": "random", "strategy": "random"}
    }
    given["note"] = "A <b>note</b>\nof two lines"
    given["tables"] = {"table2": {"dataset": "merged", "arm": "mine", "budgets": [0.3, 0.6]}}
    given["figures"], given["baselines"] = {}, {}
    return resolved(given)


def sound(index: int, label: int) -> np.ndarray:
    """Half a second or so of a tone whose height tells the class, mostly."""
    draw = rng("exported_run", index)
    count = int(draw.uniform(0.4, 0.9) * 16_000)
    height = 150 * 1.6 ** (label if draw.uniform() < 0.8 else draw.integers(4))
    tone = np.sin(2 * np.pi * height * np.arange(count) / 16_000)
    return (0.2 * tone + 0.02 * draw.normal(size=count)).astype(np.float32)


def make_run(root: Path, genders: bool = False) -> Path:
    """Write results/tiny below `root`: two folds, two seeds, rounds 0 and 1 of the arm `mine`."""
    before = Path.cwd()
    root.mkdir(parents=True, exist_ok=True)
    os.chdir(root)
    try:
        _make(config(), genders)
    finally:
        os.chdir(before)
    return root


def _make(settings: dict, genders: bool) -> None:
    run, classes = Path("results/tiny"), settings["classes"]
    folder = run / "paper/datasets/merged"
    audio = Path("results/corpora/toy-emodb/audio")
    audio.mkdir(parents=True)
    rows = []
    for index in range(PER_SPEAKER * len(SPEAKERS)):
        utt, label = f"toy-emodb/c{index:03d}", index % 4
        samples = sound(index, label)
        path = audio / f"c{index:03d}.flac"
        soundfile.write(path, samples, 16_000, subtype="PCM_16")
        speaker = index // PER_SPEAKER
        rows.append(
            {
                "utt": utt, "corpus": "toy-emodb", "path": str(path), "language": "de",
                "speaker": f"toy-emodb/{SPEAKERS[speaker]}", "label": classes[label],
                "gender": ("female", "male")[speaker % 2] if genders else "",
                "duration_s": f"{len(samples) / 16_000:.6f}", "sha256": f"{index:x}",
            }
        )  # fmt: skip
    manifest = pd.DataFrame(rows)
    write_tsv(folder / "manifest.tsv", manifest)
    who = np.arange(len(rows)) // PER_SPEAKER
    for fold in (1, 2):
        split = np.where(who == fold - 1, "test", np.where(who == fold, "val", "train"))
        write_tsv(
            folder / f"fold{fold}.tsv", pd.DataFrame({"utt": manifest["utt"], "split": split})
        )
    write_text(run / "config.yaml", yaml.safe_dump(settings, allow_unicode=True))
    start = write_start(run / "backbone/toy", group_norm=True)
    write_origin(start, "scratch", "toy", "")
    latents = run / "paper/latents/toy/pretrained/merged"
    extract_latents(start, folder / "manifest.tsv", None, latents, "cpu", precision="float32")
    for cell in cells(settings):
        _fit(settings, cell, latents)


def _fit(settings, cell, latents) -> None:
    folder = Path(cell.folder)
    manifest = read_manifest(f"{cell.dataset_folder}/manifest.tsv")
    split = read_split(read_fold(f"{cell.dataset_folder}/fold{cell.fold}.tsv"), manifest)
    train = manifest[manifest["utt"].isin(split.train)]
    picks = rng("picks", cell.fold, cell.seed).permutation(len(train))
    labelled = train.iloc[picks[: round(cell.budget * len(train))]][["utt", "label"]]
    labelled = labelled.assign(acquired_in_round=cell.round, rank=1, score=0)
    write_tsv(folder / "labelled.tsv", labelled)
    previous = None
    if cell.round > 0:
        model = folder.parent.parent / "round0/model"
        previous = (model / "model.safetensors", model / "config.json")
    with Latents(latents) as store:
        model, fitted, frames = run_round(
            split=split, labelled=labelled, latents=store, start=Path(cell.start_folder),
            previous=previous, classes=settings["classes"],
            settings=settings["protocols"]["paper"], head_seed=cell.seed,
            seed_parts=("fit", cell.fold, cell.seed, cell.round), device=CPU,
        )  # fmt: skip
    write_round(
        folder, model=model, fitted=fitted, frames=frames, split=split, labelled=labelled,
        budget=cell.budget, round_index=cell.round,
    )  # fmt: skip
