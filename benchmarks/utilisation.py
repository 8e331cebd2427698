"""Operations per second of the models, as a share of what matrix products reach on this machine.

    python benchmarks/utilisation.py --data <folder with emodb and cremad>

Counted are the operations of the model's matrix products and convolutions: those of
after_ser.tools.cluster.work, and besides them positions and attention's two products, which grow
with the square of a clip. Norms, activations and dropout count as no work, nor does padding, nor do
layers that LayerDrop skips in training. Backward is twice forward where the input is trained, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from harness import Figure, Row, Setting, interleaved, main, synchronise
from material import ARCHITECTURES, CLASSES, SAMPLE_RATE, Material, material

from after_ser.learn.finetune.precision import has_bf16
from after_ser.learn.finetune.predict import predict
from after_ser.learn.finetune.round import load_clips
from after_ser.learn.finetune.train import fit
from after_ser.learn.tapt.clips import Clip
from after_ser.learn.tapt.settings import PretrainSettings
from after_ser.learn.tapt.train import measurable
from after_ser.model.classifier import start_classifier
from after_ser.model.families.wav2vec2_fast.transformer import TransformerConfig
from after_ser.model.latents import Latents, extract_latents
from after_ser.model.registry import family_of
from after_ser.model.shape import Shape
from after_ser.tools.cluster.rules import TRAINING

SIZES = {"toy": 8, "small": 128, "base": 24}
BATCH = {"toy": 4, "small": 32, "base": 8}
#: Sides of square matrices; the fastest is the ceiling.
_SIDES = (512, 1024, 2048, 4096)


def measure(setting: Setting) -> Figure:
    """Measure every size; the ceiling's own time is that of as many operations."""
    figure = Figure("utilisation", "Use of the machine", "share of the matrix-product ceiling")
    device = torch.device(setting.device)
    sides = _SIDES[:1] if setting.quick else _SIDES if device.type == "cuda" else _SIDES[:3]
    precisions = {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if has_bf16(device) else {})
    for size in setting.sizes:
        given = material(setting, size, SIZES[size])
        ways: dict[str, Callable[[], Any]] = {}
        flops: dict[str, float] = {}
        for precision in precisions:
            own, operations_of = _ways(given, size, setting, precision)
            ways |= {_named(name, precision): work for name, work in own.items()}
            flops |= {_named(name, precision): number for name, number in operations_of.items()}
        ceilings: dict[str, list[float]] = {name: [] for name in precisions}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(setting.repeats):  # ceiling and work take turns
            for name, kind in precisions.items():
                ceilings[name].append(max(_product(side, kind, device) for side in sides))
            for name, spent in interleaved(ways, 1, warm=_ == 0).items():
                seconds[name] += spent
        for name, spent in seconds.items():
            precision = "bf16" if name.endswith(_named("", "bf16")) else "fp32"
            found = shares(flops[name], spent, ceilings[precision])
            figure.rows.append(Row(size, name, spent, found, f"of the {precision} ceiling"))
            if "transformer" in name and precision == "fp32":
                figure.targets.append((size, name, 0.5))
            if (device.type, size, name) == ("cuda", "base", _named("TAPT step", "bf16")):
                figure.targets.append((size, name, 0.4))
        figure.facts[size] = {
            "seconds_of_audio": round(given.seconds, 1),
            **{
                f"ceiling_{name}_gflops": round(sorted(found)[len(found) // 2] / 1e9, 1)
                for name, found in ceilings.items()
            },
        }
    return figure


def shares(flops: float, seconds: list[float], ceilings: list[float]) -> list[float]:
    """Return operations per second as a share of the ceiling of the same repetition."""
    return [flops / one / ceiling for one, ceiling in zip(seconds, ceilings, strict=True)]


def _named(name: str, precision: str) -> str:
    return name if precision == "fp32" else f"{name}, {precision}"


def _product(side: int, kind: torch.dtype, device: torch.device) -> float:
    """Return operations per second of square matrix products, the best of a few."""
    left, right = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    best = 0.0
    for _ in range(4):
        begun = time.perf_counter()
        left @ right
        synchronise()
        best = max(best, 2 * side**3 / (time.perf_counter() - begun))
    return best


def _ways(
    given: Material, size: str, setting: Setting, precision: str
) -> tuple[dict[str, Callable[[], Any]], dict[str, float]]:
    device, shape = torch.device(setting.device), given.shape
    folder = setting.folder / f"latents-{size}"
    if not folder.exists():
        extract_latents(given.model, given.manifest, None, folder, setting.device, setting.threads)
    with Latents(folder) as store:
        clips = load_clips(store, given.utts)
        one = load_clips(store, given.utts[:1])
    model = start_classifier(given.model, CLASSES, "mean-relu-linear", 0).to(device)
    model.bf16 = precision == "bf16"
    encoder = family_of(given.model).stem(given.model, device)
    prepared = [encoder.prepare(waveform) for waveform in given.waveforms]
    settings: dict[str, Any] = {
        **{"learning_rate": 1e-5, "batch_size": BATCH[size], "max_epochs": 1, "max_steps": 0},
        **{"patience": 1, "crop_s": 1000.0, "class_weights": "none"},
    }
    lengths = [len(waveform) / SAMPLE_RATE for waveform in given.waveforms]
    paths = [str(given.manifest.parent / f"{utt}.wav") for utt in given.utts]
    heard = [
        Clip(utt, path, length, utt)
        for utt, path, length in zip(given.utts, paths, lengths, strict=True)
    ]
    per_step = max(max(lengths), BATCH[size] * given.seconds / len(heard))
    make, step, _ = measurable(
        ARCHITECTURES[size],
        heard,
        PretrainSettings(
            steps=100,
            warmup=1,
            seconds_per_step=per_step,
            crop_s=max(lengths),
            precision=precision,
        ),
        setting.device,
        setting.threads,
    )
    batch = make(0)

    def fine_tune() -> None:
        fit(
            model,
            clips,
            given.labels,
            one,
            given.labels[:1],
            settings,
            given.frames_per_second,
            ("benchmark",),
            device,
        )

    ways: dict[str, Callable[[], Any]] = {
        "transformer, fine-tuning": fine_tune,
        "transformer, scoring": lambda: predict(model, clips, device),
        "CNN, a clip at a time": lambda: [encoder.encode(one) for one in prepared],
        "TAPT step": lambda: step(batch),
    }
    if precision != "fp32":  # latents are made in fp32
        del ways["CNN, a clip at a time"]
    frames = [length * shape.frames_per_second for length in lengths]
    adapted_frames = batch.valid.sum(dim=1).tolist()
    done = operations(shape, TransformerConfig.of(model.body.described, ""), frames, adapted_frames)
    return ways, {name: done[name] for name in ways}


def operations(
    shape: Shape, config: TransformerConfig, heard: list[float], adapted: list[float]
) -> dict[str, float]:
    """Return the operations of each way.

    heard: frames of every clip; adapted: those of the clips of a TAPT batch. Training skips the
    share `layerdrop` of the layers.
    """
    kept = 1 - config.layerdrop
    layers, tapt = _layers(shape, heard), kept * _layers(shape, adapted)
    positions, projection = _positions(shape, config), 2 * shape.conv_dim[-1] * shape.hidden
    cnn = shape.cnn_flops / shape.frames_per_second
    count = sum(heard)
    return {
        # the projection is frozen, so nothing goes back through it, nor to what positions are given
        "transformer, fine-tuning": (
            TRAINING * kept * layers + count * ((TRAINING - 1) * positions + projection)
        ),
        "transformer, scoring": layers + count * (positions + projection),
        "CNN, a clip at a time": cnn * count,
        "TAPT step": TRAINING * (tapt + sum(adapted) * (cnn + positions + projection)),
    }


def _layers(shape: Shape, frames: list[float]) -> float:
    """Return the operations of all layers, forward, with attention among the frames of a clip."""
    linear = 4 * shape.hidden**2 + 2 * shape.hidden * shape.intermediate
    attention = 2 * shape.hidden * sum(length**2 for length in frames)
    return 2 * shape.layers * (linear * sum(frames) + attention)


def _positions(shape: Shape, config: TransformerConfig) -> float:
    """Return the operations of the positional convolution for one frame, forward."""
    width = shape.hidden / config.num_conv_pos_embedding_groups
    return 2 * config.num_conv_pos_embeddings * width * shape.hidden


if __name__ == "__main__":
    main(measure)
