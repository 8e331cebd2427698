"""A small few-shot study: a manifest, latents that tell emotions apart, and settings."""

from pathlib import Path

import numpy as np
import pandas as pd
from finetune_clips import WIDTH, write_latents

from after_ser.learn.finetune.batches import Clips

EMOTIONS = ["Angry", "Happy", "Sad"]
PREFINETUNE = {
    "learning_rate": 0.01,
    "batch_size": 2,
    "accumulation": 2,
    "warmup": 0.1,
    "clip_norm": 1.0,
    "max_epochs": 3,
    "patience": 3,
    "threshold": 0.02,
}
ADAPT = {
    "learning_rate": 0.01,
    "batch_size": 1,
    "accumulation": 4,
    "warmup": 0.1,
    "clip_norm": 1.0,
    "few": 2,
    "few_epochs": 4,
    "few_patience": 4,
    "max_epochs": 2,
    "patience": 2,
}


def manifest(
    speakers: list[str], clips: int, emotions: list[str] = EMOTIONS, prefix: str = ""
) -> pd.DataFrame:
    """So many clips of each speaker and emotion, as strings like a manifest that was read."""
    rows = [
        {"utt": f"{prefix}{speaker}-{emotion}-{number:02d}", "speaker": speaker,
         "raw_label": emotion, "text_id": f"t{number}",
         "duration_s": f"{1 + number / 100 + place / 1000:.6f}",
         "sha256": f"{prefix}{speaker}{emotion}{number}"}
        for speaker in speakers
        for place, emotion in enumerate(emotions)
        for number in range(clips)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def latents(folder: Path, rows: pd.DataFrame, seed: int = 0) -> Path:
    """Latents whose mean tells the raw label."""
    draw = np.random.default_rng(seed)
    labels = sorted(set(rows["raw_label"]))
    centres = np.random.default_rng(99).normal(size=(len(labels), WIDTH))
    frames = [
        (centres[labels.index(label)] + 0.5 * draw.normal(size=(length, WIDTH))).astype(np.float16)
        for label, length in zip(
            rows["raw_label"], draw.integers(4, 12, size=len(rows)), strict=True
        )
    ]
    return write_latents(folder, Clips(list(rows["utt"]), frames))
