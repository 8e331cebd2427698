"""Measures in a minute how fast this device is with a config's backbone (noise, random weights).

Every kind of work is done by the functions that do it in a run, on a batch of the config's own
size where that takes a few seconds, else on a smaller one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from after_ser.core.errors import InputError
from after_ser.model.geometry import Geometry
from after_ser.model.registry import family_named, family_of, family_of_architecture
from after_ser.tools.cluster.rules import TRAINING
from after_ser.tools.cluster.work import CLIP_S, Speech, shape_of, speech_in

#: Seconds that each kind of work may be measured for, its warm-up left out.
BUDGET_S = 6.0
#: Clips of a whole batch at most; more say no more about speed.
_MOST_CLIPS = 64
_IMPORTS = {
    "start_s": "import after_ser.learn.finetune.round, after_ser.core.metrics",
    "start_transformers_s": "import after_ser.learn.tapt.train, transformers.modeling_utils",
    "start_tables_s": "import after_ser.data.datasets.tables",
}


@dataclass(frozen=True)
class Speeds:
    """What was measured; tools.cluster.rules names these fields.

    Operations of the model per second: tapt (training of CNN and transformer), fit (training of
    the transformer), score (the transformer forward), cnn (the CNN forward, a clip at a time).
    Seconds that a job needs before its step begins: start_s with torch, start_transformers_s with
    transformers too, start_tables_s with neither.
    """

    device: str
    gpu: bool
    threads: int
    tapt: float
    fit: float
    score: float
    cnn: float
    start_s: float
    start_transformers_s: float
    start_tables_s: float
    assumed: bool = False


def what_is_measured(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a resolved config the speeds depend on, as JSON can hold it."""
    backbone = config["backbones"][config["backbone"]]
    shape, family = shape_of(backbone), family_named(backbone)
    sections = [tapt for tapt in config["tapt"].values() if tapt["objective"] != "p-tapt"]
    tapt = sections[0] if sections else {}
    protocol = next(iter(config["protocols"].values()))
    speech = max(
        (speech_in(dict(config), name) for name in config["datasets"]),
        key=lambda speech: speech.seconds,
        default=Speech(1, CLIP_S),
    )
    return {
        "architecture": family.architecture(backbone),
        "cnn_flops": shape.cnn_flops,
        "transformer_flops": shape.transformer_flops,
        "frames_per_second": shape.frames_per_second,
        "device": config["device"],
        "threads": config["threads"],
        # where codes cannot be predicted, any pseudo-labels cost the same
        "objective": tapt.get("objective", "wav2vec2") if family.has_quantiser else "p-tapt",
        "precision": tapt.get("precision", "fp32"),
        "seconds_per_step": tapt.get("seconds_per_step", 40),
        "mask_span": tapt.get("mask_span", 10),
        "batch_size": protocol["batch_size"],
        "head": protocol["head"],
        "fit_precision": config["precision"],
        "clip_s": round(min(speech.clip_s, protocol["crop_s"]), 2),
        "classes": list(config["classes"]),
    }


def calibrate(config: Mapping[str, Any], budget_s: float = BUDGET_S) -> Speeds:
    """Measure in a process of its own, whose allocator and threads are those of a job.

    `set_job_environment` has to be called before. Raises InputError with what went wrong.
    """
    measured = what_is_measured(config)
    done = subprocess.run(
        [sys.executable, "-m", "after_ser.tools.plan.calibration"],
        input=json.dumps(measured | {"budget_s": budget_s}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise InputError(f"plan: the calibration failed ({last}); expected a device that works")
    return Speeds(**json.loads(done.stdout.splitlines()[-1]))


def measure(given: Mapping[str, Any]) -> Speeds:
    """Measure what `what_is_measured` describes, in this process."""
    starts = {name: _start(code) for name, code in _IMPORTS.items()}
    from after_ser.run.device import choose_device, device_name

    device = choose_device(given["device"])
    with tempfile.TemporaryDirectory() as folder:
        measured: dict[str, Any] = {**_speeds(given, Path(folder)), **starts}
    return Speeds(
        device=device_name(device),
        gpu=device.type == "cuda",
        threads=given["threads"],
        **measured,
    )


def _start(code: str) -> float:
    """Return the seconds of a process that imports what a job does; the best of three."""
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        seconds.append(time.perf_counter() - begun)
    return round(min(seconds), 3)


class _NoLabels:
    """Stands in for PseudoLabels: one cluster has all frames."""

    sizes, sha256 = (64,), ""

    def frames(self, utt: str, start: int, count: int, geometry: Geometry) -> np.ndarray:
        return np.zeros((count, 1), dtype=np.int64)


def _speeds(given: Mapping[str, Any], folder: Path) -> dict[str, float]:
    import soundfile

    from after_ser.learn.finetune.batches import Clips
    from after_ser.learn.finetune.precision import uses_bf16
    from after_ser.learn.finetune.predict import predict
    from after_ser.learn.finetune.train import fit
    from after_ser.learn.tapt.clips import Clip
    from after_ser.learn.tapt.settings import PretrainSettings
    from after_ser.learn.tapt.train import measurable
    from after_ser.model.classifier import start_classifier
    from after_ser.run.device import choose_device

    device, classes, clip_s = choose_device(given["device"]), given["classes"], given["clip_s"]
    draw = np.random.default_rng(0)
    noise = (draw.standard_normal(round(clip_s * 16_000)) * 3000).astype(np.int16)
    soundfile.write(folder / "noise.wav", noise, 16_000)

    targets: Any = _NoLabels() if given["objective"] == "p-tapt" else None

    def steps(seconds: float) -> Callable[[], Any]:
        count = max(1, round(seconds / clip_s))
        settings = PretrainSettings(
            objective=given["objective"],
            steps=100,
            warmup=1,
            seconds_per_step=count * clip_s + 0.01,
            crop_s=clip_s,
            mask_span=given["mask_span"],
            precision=given["precision"],
        )
        clips = [Clip(str(i), str(folder / "noise.wav"), clip_s, str(i)) for i in range(count)]
        make, step, model = measurable(
            given["architecture"], clips, settings, given["device"], given["threads"], targets
        )  # fmt: skip
        if not (folder / "model").exists():
            (folder / "model").mkdir()
            model.save(folder / "model")
        batch = make(0)
        return lambda: step(batch)

    both = given["cnn_flops"] + given["transformer_flops"]
    budget_s = given["budget_s"]
    rates: dict[str, float] = {}
    family = family_of_architecture(given["architecture"])
    if family.has_mask_embedding:
        rates["tapt"] = TRAINING * both * _rate(steps, clip_s, given["seconds_per_step"], budget_s)
    else:
        family.build(given["architecture"], 0).save(folder / "model")

    stem = family_of(folder / "model").stem(folder / "model", device)
    prepared = stem.prepare((noise / 32768).astype(np.float32))
    rates["cnn"] = given["cnn_flops"] * _rate(
        lambda seconds: lambda: [stem.encode(prepared) for _ in range(round(seconds / clip_s))],
        clip_s, 20 * clip_s, budget_s,
    )  # fmt: skip
    latents = stem.encode(prepared).astype(np.float16)

    def clips_of(seconds: float) -> Clips:
        count = max(1, round(seconds / clip_s))
        return Clips([str(i) for i in range(count)], [latents] * count)

    model = start_classifier(folder / "model", classes, given["head"], 0)
    model.bf16 = uses_bf16(given["fit_precision"], device)
    settings = {
        **{"learning_rate": 1e-4, "batch_size": given["batch_size"], "max_epochs": 1},
        **{"max_steps": 0, "patience": 1, "crop_s": 1000.0, "class_weights": "none"},
    }

    def fits(seconds: float) -> Callable[[], None]:
        train, val = clips_of(seconds), clips_of(clip_s)
        labels = [classes[i % len(classes)] for i in range(len(train.utts))]

        def run() -> None:
            fit(
                model, train, labels, val, classes[:1], settings, given["frames_per_second"],
                ("plan",), device,
            )  # fmt: skip

        return run

    whole = min(given["batch_size"], _MOST_CLIPS) * clip_s
    forward = given["transformer_flops"]
    rates["fit"] = TRAINING * forward * _rate(fits, clip_s, whole, budget_s)
    rates.setdefault("tapt", rates["fit"])  # of a family that no job does TAPT with
    rates["score"] = forward * _rate(
        lambda seconds: lambda: predict(model, clips_of(seconds), device), clip_s, whole, budget_s
    )
    return rates


def _rate(
    work: Callable[[float], Callable[[], Any]], least: float, whole: float, budget_s: float
) -> float:
    """Return seconds of audio per second: of `whole` seconds, or of what the budget allows.

    `work(seconds)` returns what does the work on so many seconds of audio. Once on `least`, which
    warms up and says how much can be done in a third of the budget, then the best of what is left.
    """
    small = work(least)
    small()
    begun = time.perf_counter()
    small()
    once = time.perf_counter() - begun
    seconds = max(least, min(whole, least * budget_s / 3 / once))
    large = work(seconds)
    large()
    best, until = float("inf"), time.perf_counter() + budget_s / 2
    while best == float("inf") or time.perf_counter() < until:
        begun = time.perf_counter()
        large()
        best = min(best, time.perf_counter() - begun)
    done = least * max(1, round(seconds / least))
    return done / best


if __name__ == "__main__":
    print(json.dumps(asdict(measure(json.load(sys.stdin)))))
