"""Short clips with labels, and small emotion-state models, for the tests of P-TAPT."""

from pathlib import Path

import numpy as np
import soundfile
from selfsupervised_clips import write_manifest

from after_ser.learn.tapt.clips import Clip
from after_ser.learn.tapt.config import FirstStage
from after_ser.run.atomic import read_tsv, write_tsv

CLASSES = ["anger", "sad"]
SEED = ("ptapt", "toy", 1, 0)
GIVEN = {
    "scratch": {"channels": 8, "aggregator": [2, 3]},
    "steps": 9,
    "batch_size": 4,
    "learning_rate": 2e-3,
    "crop_s": 0.5,
    "val_share": 0.2,
}


def states_settings(**changes) -> FirstStage:
    return FirstStage(**GIVEN | changes)


def write_emotions(folder: Path, count: int = 10) -> tuple[list[Clip], dict[str, str]]:
    """High tones (anger) and low noise (sad), 0.5 to 0.9 s; returns clips and their labels."""
    folder.mkdir(parents=True, exist_ok=True)
    clips, labels = [], {}
    for index in range(count):
        draw = np.random.default_rng(index)
        samples = int(16_000 * draw.uniform(0.5, 0.9))
        if index % 2:
            wave = 0.05 * np.convolve(draw.normal(size=samples), np.ones(40) / 6, "same")
        else:
            wave = 0.4 * np.sin(2 * np.pi * 1500 * np.arange(samples) / 16_000)
            wave += 0.02 * draw.normal(size=samples)
        path = folder / f"e{index}.flac"
        soundfile.write(path, wave.astype(np.float32), 16_000, subtype="PCM_16")
        clips.append(Clip(f"toy/e{index}", str(path), samples / 16_000, f"{index:x}"))
        labels[clips[-1].utt] = CLASSES[index % 2]
    return clips, labels


def write_dataset(folder: Path, clips: list[Clip], labels: dict[str, str], splits: list[str]):
    """Write manifest.tsv with labels, and fold1.tsv."""
    write_manifest(folder / "manifest.tsv", clips)
    manifest = read_tsv(folder / "manifest.tsv")
    manifest["label"] = [labels[utt] for utt in manifest["utt"]]
    write_tsv(folder / "manifest.tsv", manifest)
    write_tsv(folder / "fold1.tsv", manifest[["utt"]].assign(split=splits))
