"""Scoring a pool against one clip at a time.

python benchmarks/scoring.py --data <folder with emodb and cremad>
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from finetuning import padded, plain_model
from harness import Figure, Setting, interleaved, main
from material import CLASSES, Material, material

from after_ser.learn.finetune.batches import Clips
from after_ser.learn.finetune.precision import has_bf16
from after_ser.learn.finetune.predict import predict
from after_ser.learn.finetune.round import load_clips
from after_ser.model.classifier import Classifier, start_classifier
from after_ser.model.families.conv_encoder import normalise
from after_ser.model.latents import Latents, extract_latents

SIZES = {"toy": 12, "small": 256, "base": 48}
_BATCHES = "batches of cached latents"


def measure(setting: Setting) -> Figure:
    """Measure every size."""
    figure = Figure("scoring", "Scoring a pool", "time of one clip at a time / time")
    device = torch.device(setting.device)
    for size in setting.sizes:
        given = material(setting, size, SIZES[size])
        folder = setting.folder / f"latents-{size}"
        extract_latents(given.model, given.manifest, None, folder, setting.device, setting.threads)
        model = start_classifier(given.model, CLASSES, "mean-relu-linear", 0).to(device)
        plain = plain_model(given.model, setting.device).eval()
        ways = {
            "one clip at a time": partial(_plain, plain, given, device),
            "one clip at a time, cached latents": partial(_single, model, given, folder, device),
            _BATCHES: partial(_batches, model, given, folder, device),
        }
        if has_bf16(device):
            half = start_classifier(given.model, CLASSES, "mean-relu-linear", 0).to(device)
            half.bf16 = True
            ways[f"{_BATCHES}, bf16"] = partial(_batches, half, given, folder, device)
        figure.add(size, interleaved(ways, setting.repeats), "one clip at a time")
        single, batches = (ways[name]() for name in list(ways)[1:3])
        figure.facts[size] = {
            "clips": len(given.utts),
            "seconds_of_audio": round(given.seconds, 1),
            "largest_difference_of_a_probability_by_batch": float(np.abs(single - batches).max()),
        }
        figure.targets += [(size, name, 8.0) for name in ways if name.startswith(_BATCHES)]
    return figure


@torch.inference_mode()
def _plain(model: Any, given: Material, device: torch.device) -> None:
    for waveform in given.waveforms:
        values = padded([normalise(waveform)], False)["input_values"].to(device)
        model(values).logits.softmax(-1).cpu()


def _single(model: Classifier, given: Material, folder: Path, device: torch.device) -> np.ndarray:
    with Latents(folder) as store:
        clips = load_clips(store, given.utts)
    each = zip(clips.utts, clips.frames, strict=True)
    return np.concatenate([predict(model, Clips([utt], [one]), device) for utt, one in each])


def _batches(model: Classifier, given: Material, folder: Path, device: torch.device) -> np.ndarray:
    with Latents(folder) as store:
        return predict(model, load_clips(store, given.utts), device)


if __name__ == "__main__":
    main(measure)
