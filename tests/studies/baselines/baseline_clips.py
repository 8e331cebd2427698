"""Toy clips for the tests of baselines: low and high voices, which every method can tell apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from after_ser.studies.baselines.base import Clip
from after_ser.studies.baselines.registry import registered

RATE = 16_000
CLASSES = ["low", "high", "absent"]
PITCH = {"low": 150.0, "high": 600.0}
#: Sizes at which a fit takes a second; a method without an entry runs at its published size.
SMALL = {
    "light_sernet": {
        "seconds": 0.6, "paths": 4, "widths": [8, 8, 8, 8, 16], "epochs": 12,
        "learning_rate": 0.01, "batch_size": 8,
    },
    "glam": {"seconds": 0.5, "hop": 0.5, "channels": 2, "epochs": 6, "batch_size": 8},
    "lssed": {
        "network": "small", "width": 0.125, "mels": 32, "frame_shift": 0.02, "seconds": 0.5,
        "hop": 0.3, "learning_rate": 0.003, "batch_size": 8, "epochs": 6,
    },
    "rh_emo": {
        "classifier": "small", "hidden": 8, "learning_rate": 0.003, "batch_size": 8, "epochs": 6,
        "reconstruction_batch_size": 8, "reconstruction_epochs": 1, "supervised_batch_size": 8,
        "supervised_learning_rate": 0.001, "supervised_epochs": 1,
    },
    "egemaps_svm": {"c": [0.01, 0.1]},
}  # fmt: skip


def settings(method: str) -> dict:
    """The method's options, at a size for tests."""
    return {**registered(method).options, **SMALL.get(method, {})}


def voice(pitch: float, seconds: float, seed: int) -> np.ndarray:
    """Harmonics that fall and rise a little, in faint noise."""
    draw = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = pitch * draw.uniform(0.9, 1.1)
    phase = 2 * np.pi * pitch * (time + 0.01 * np.sin(2 * np.pi * 3 * time))
    tone = sum(np.sin(k * phase) / k for k in range(1, 6))
    return (0.2 * tone + 0.005 * draw.standard_normal(len(time))).astype(np.float32)


def write_clips(folder: Path, count: int, seed: int = 0) -> list[Clip]:
    """Write `count` clips of 0.4 to 1.3 s, low and high in turn, of four speakers."""
    clips = []
    for index in range(count):
        label = index % 2
        seconds = 0.4 + 0.1 * ((7 * index) % 10)
        path = folder / f"clip{seed}-{index:03d}.flac"
        pitch = PITCH[CLASSES[label]]
        soundfile.write(path, voice(pitch, seconds, 1000 * seed + index), RATE, "PCM_16")
        clips.append(Clip(path.stem, str(path), label, f"s{(index // 2) % 4}"))
    return clips


def unknown(clips: list[Clip]) -> list[Clip]:
    return [replace(clip, label=None) for clip in clips]
