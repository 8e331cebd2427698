"""Random latents, a tiny start checkpoint and settings, for tests of fine-tuning."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from selfsupervised_clips import ARCH, GROUP_NORM

from after_ser.core.metrics import score
from after_ser.learn.finetune.batches import Clips
from after_ser.learn.finetune.config import Protocol
from after_ser.model.families.conv_encoder import save_model
from after_ser.model.latents import INDEX, LATENTS, MEANS
from after_ser.model.scratch import build_scratch
from after_ser.run.atomic import write_tsv

CLASSES = ["anger", "neutral", "sad", "happy"]
WIDTH = 16  # channels of the CNN's output in ARCH
CPU = torch.device("cpu")
FRAMES_PER_SECOND = 25.0  # of ARCH: 640 samples per frame
SETTINGS = {
    **Protocol().model_dump(),  # so that a new setting does not have to be repeated here
    "learning_rate": 0.003,
    "batch_size": 4,
    "max_epochs": 3,
    "patience": 3,
}


def labels(count: int) -> list[str]:
    return [CLASSES[index % 4] for index in range(count)]


def random_clips(count: int, seed: int = 0, shortest: int = 3, longest: int = 40) -> Clips:
    """Clips whose mean tells their class: clip i belongs to class i % 4."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(4, WIDTH))
    frames = [
        (centres[index % 4] + 0.5 * draw.normal(size=(length, WIDTH))).astype(np.float16)
        for index, length in enumerate(draw.integers(shortest, longest + 1, size=count))
    ]
    return Clips([f"toy/{seed}-{index:03d}" for index in range(count)], frames)


def write_start(folder: Path, group_norm: bool = False, seed: int = 0) -> Path:
    model = build_scratch(GROUP_NORM if group_norm else ARCH, seed)
    save_model(model, folder, do_normalize=True)
    return folder


def write_latents(folder: Path, clips: Clips) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lengths = clips.lengths()
    np.save(folder / LATENTS, np.concatenate(clips.frames))
    np.save(folder / MEANS, np.stack([frames.mean(0) for frames in clips.frames]))
    offsets = np.cumsum(lengths) - lengths
    write_tsv(
        folder / INDEX, pd.DataFrame({"utt": clips.utts, "offset": offsets, "frames": lengths})
    )
    return folder


def ua(truth: list[str], probs: np.ndarray) -> float:
    return float(score(truth, probs, CLASSES)["ua"])
