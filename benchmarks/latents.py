"""The cache of CNN latents: reading it against running the CNN, and what float16 changes.

python benchmarks/latents.py --data <folder with emodb and cremad>
"""

from __future__ import annotations

import numpy as np
import torch
from harness import Figure, Setting, interleaved, main
from material import CLASSES, Material, material

from after_ser.learn.finetune.batches import Clips
from after_ser.learn.finetune.predict import predict
from after_ser.learn.finetune.round import load_clips
from after_ser.model.classifier import start_classifier
from after_ser.model.families.base import Stem
from after_ser.model.latents import LATENTS, Latents, extract_latents
from after_ser.model.registry import family_of

SIZES = {"toy": 12, "small": 256, "base": 64}
#: The part of a pool that a query takes, for the agreement of selections.
_TAKEN = 0.2


def measure(setting: Setting) -> Figure:
    """Measure every size."""
    figure = Figure("latents", "Cache of CNN latents", "time of running the CNN / time")
    device = torch.device(setting.device)
    for size in setting.sizes:
        given = material(setting, size, SIZES[size])
        folder = setting.folder / f"latents-{size}"
        stem = family_of(given.model).stem(given.model, device)
        extract_latents(given.model, given.manifest, None, folder, setting.device, setting.threads)
        ways = {
            "running the CNN": lambda given=given, stem=stem: _exact(given, stem),
            "reading the cache": lambda given=given, folder=folder: _read(given, folder),
        }
        figure.add(size, interleaved(ways, setting.repeats), "running the CNN")
        figure.facts[size] = {
            "clips": len(given.utts),
            "seconds_of_audio": round(given.seconds, 1),
            "megabytes_per_hour": round(
                (folder / LATENTS).stat().st_size / 1e6 / given.seconds * 3600, 1
            ),
            **_agreement(given, _exact(given, stem), _read(given, folder), device),
        }
    return figure


def _exact(given: Material, stem: Stem) -> Clips:
    return Clips(given.utts, [stem.encode(stem.prepare(waveform)) for waveform in given.waveforms])


def _read(given: Material, folder: object) -> Clips:
    with Latents(str(folder)) as store:
        return load_clips(store, given.utts)


def _agreement(
    given: Material, exact: Clips, stored: Clips, device: torch.device
) -> dict[str, float]:
    """Return how far scores from float16 latents are from those of float32 ones."""
    model = start_classifier(given.model, CLASSES, "mean-relu-linear", 0).to(device)
    scores = [predict(model, clips, device) for clips in (exact, stored)]
    taken = max(1, round(_TAKEN * len(given.utts)))
    chosen = []
    for probs in scores:
        entropy = -(probs * np.log(probs)).sum(axis=1)
        chosen.append(set(np.argsort(-entropy, kind="stable")[:taken].tolist()))
    return {
        "float16_largest_difference_of_a_logit": float(
            np.abs(np.log(scores[0]) - np.log(scores[1])).max()
        ),
        "float16_same_prediction": float((scores[0].argmax(1) == scores[1].argmax(1)).mean()),
        "float16_same_clips_chosen": len(chosen[0] & chosen[1]) / taken,
    }


if __name__ == "__main__":
    main(measure)
