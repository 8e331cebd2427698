"""A tiny wav2vec 2.0 and short artificial clips, for tests of the self-supervised half."""

from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from after_ser.learn.tapt.clips import Clip
from after_ser.learn.tapt.settings import PretrainSettings
from after_ser.model.families.wav2vec2 import Quantised, Wav2Vec2
from after_ser.run.atomic import write_tsv

#: 640 samples (40 ms) per frame, 10,000 weights or so.
ARCH = {
    "conv_dim": 16,
    "conv_kernel": [20, 8, 4, 4, 4],
    "conv_stride": [10, 4, 4, 2, 2],
    "hidden_size": 16,
    "layers": 1,
    "heads": 2,
    "intermediate_size": 32,
    "codevectors": 8,
    "codevector_dim": 16,
    "proj_codevector_dim": 16,
    "position_kernel": 8,
    "position_groups": 2,
    "negatives": 10,
}
GROUP_NORM = {**ARCH, "feat_extract_norm": "group", "do_stable_layer_norm": False}


def around(model) -> Quantised:
    """What TAPT makes of a Wav2Vec2ForPreTraining."""
    return Quantised(model, Wav2Vec2(), True)


def load_encoder(folder):
    return Wav2Vec2().load_encoder(folder)[0]


def load_pretraining_model(folder):
    return Wav2Vec2().pretraining(folder).module


def settings(**changes) -> PretrainSettings:
    given = {
        "steps": 6,
        "seconds_per_step": 4.0,
        "learning_rate": 1e-3,
        "warmup": 1,
        "crop_s": 1.0,
        "mask_span": 3,
        "mask_share": 0.3,
        **changes,
    }
    return PretrainSettings.of(given)


def waveform(seconds: float, seed: int) -> np.ndarray:
    """A tone whose pitch changes every 0.1 s, so that there is something to predict."""
    generator = np.random.default_rng(seed)
    count = int(seconds * 16_000)
    pitch = np.repeat(generator.uniform(100, 800, size=count // 1_600 + 1), 1_600)[:count]
    tone = np.sin(2 * np.pi * np.cumsum(pitch) / 16_000)
    return (0.3 * tone + 0.01 * generator.normal(size=count)).astype(np.float32)


def write_clips(folder: Path, seconds: list[float]) -> list[Clip]:
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for index, length in enumerate(seconds):
        path = folder / f"c{index}.flac"
        soundfile.write(path, waveform(length, index), 16_000, subtype="PCM_16")
        clips.append(Clip(f"toy/c{index}", str(path), int(length * 16_000) / 16_000, f"{index:x}"))
    return clips


def write_manifest(path: Path, clips: list[Clip]) -> None:
    columns = {
        "utt": [clip.utt for clip in clips],
        "path": [clip.path for clip in clips],
        "duration_s": [clip.seconds for clip in clips],
        "sha256": [clip.sha256 for clip in clips],
    }
    write_tsv(path, pd.DataFrame(columns))


LENGTHS = [0.5, 0.7, 0.9, 1.0, 1.3, 1.6, 0.6, 1.1]
