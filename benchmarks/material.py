"""Models and clips that figures are measured with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from harness import Setting

from after_ser.model.families.conv_encoder import BASE, save_model
from after_ser.model.families.wav2vec2 import architecture_of
from after_ser.model.scratch import build_scratch
from after_ser.model.shape import Shape
from after_ser.run.atomic import write_text
from after_ser.tools.cluster.work import shape_of

SAMPLE_RATE = 16_000
CLASSES = ["anger", "happy", "neutral", "sad"]
_CNN = {"conv_kernel": [10, 3, 3, 3, 3, 2, 2], "conv_stride": [5, 2, 2, 2, 2, 2, 2]}
#: toy only proves that a figure runs; small has 6 M parameters; base is wav2vec2-base's size.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "toy": {
        **_CNN,
        **{"conv_dim": 16, "hidden_size": 32, "layers": 1, "heads": 2, "intermediate_size": 64},
        **{"negatives": 10, "codevectors": 8, "codevector_dim": 16, "proj_codevector_dim": 16},
    },
    "small": {
        **_CNN,
        **{"conv_dim": 192, "hidden_size": 256, "layers": 6, "heads": 4, "intermediate_size": 1024},
    },
    "base": architecture_of(BASE),
}


@dataclass(frozen=True)
class Material:
    """Clips with labels and the folder of a model with random weights.

    waveforms: float32 [T] each, 16 kHz; manifest: their TSV (utt, path).
    """

    waveforms: list[np.ndarray]
    labels: list[str]
    utts: list[str]
    manifest: Path
    model: Path
    shape: Shape

    @property
    def seconds(self) -> float:
        """Seconds of audio."""
        return sum(map(len, self.waveforms)) / SAMPLE_RATE

    @property
    def frames_per_second(self) -> float:
        """Frames that leave the model's CNN."""
        return self.shape.frames_per_second


def material(setting: Setting, size: str, clips: int) -> Material:
    """Return `clips` clips, real ones where there is data, and a model of this size."""
    folder = setting.folder / f"{size}-{clips}"
    (folder / "model").mkdir(parents=True)
    save_model(build_scratch(ARCHITECTURES[size], 0), folder / "model", True)
    waveforms = waves(setting.data, clips)
    utts = [f"clip{index:05d}" for index in range(clips)]
    for utt, waveform in zip(utts, waveforms, strict=True):
        soundfile.write(folder / f"{utt}.wav", waveform, SAMPLE_RATE, "PCM_16")
    rows = "".join(f"{utt}\t{folder / utt}.wav\n" for utt in utts)
    write_text(folder / "manifest.tsv", f"utt\tpath\n{rows}")
    return Material(
        waveforms=waveforms,
        labels=[CLASSES[index % len(CLASSES)] for index in range(clips)],
        utts=utts,
        manifest=folder / "manifest.tsv",
        model=folder / "model",
        shape=shape_of({"scratch": ARCHITECTURES[size]}),
    )


def waves(data: Path | None, clips: int) -> list[np.ndarray]:
    """Return waveforms float32 [T] of 16 kHz: EmoDB's and CREMA-D's, evenly picked, else noise.

    Noise has lengths as those corpora have (2.6 s on average, 1.2 to 9 s); how long anything takes
    depends on nothing else.
    """
    if data is None:
        draw = np.random.default_rng(0)
        lengths = np.clip(draw.gamma(9.0, 2.6 / 9.0, clips), 1.2, 9.0)
        return [
            (0.1 * draw.standard_normal(round(length * SAMPLE_RATE))).astype(np.float32)
            for length in lengths
        ]
    files = sound_files(data, ("emodb", "cremad"))
    if len(files) < clips:
        raise SystemExit(f"{data}: {len(files)} clips of emodb and cremad; expected {clips}")
    picked = [files[index * len(files) // clips] for index in range(clips)]
    return [soundfile.read(path, dtype="float32")[0] for path in picked]


def sound_files(data: Path, corpora: Sequence[str]) -> list[Path]:
    """Return the corpora's FLAC and WAV files in a fixed order, interleaved by name."""
    found = [
        path
        for corpus in corpora
        for path in (data / corpus).rglob("*")
        if path.suffix in (".flac", ".wav") and path.stat().st_size > 20_000
    ]
    return sorted(found, key=lambda path: path.name)
