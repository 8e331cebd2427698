"""One epoch of fine-tuning against a Hugging Face Trainer and against the released code's way.

    python benchmarks/finetuning.py --data <folder with emodb and cremad>

Same architecture, clips, batch size and optimiser's family in all three. The plain ways get their
clips decoded and in memory; frozen is the CNN, here its projection, too. Ours starts from latents
on disk, reads them within the measured time and scores one clip for val at the end. Making the
latents, once for all epochs, rounds and arms that start there, is not in it: the facts name it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Figure, Setting, interleaved, main
from material import CLASSES, SAMPLE_RATE, Material, material
from transformers import Trainer, TrainingArguments, Wav2Vec2ForSequenceClassification
from transformers.utils import logging

from after_ser.learn.finetune.batches import epoch_batches, scoring_batches
from after_ser.learn.finetune.precision import has_bf16
from after_ser.learn.finetune.predict import frames_per_batch
from after_ser.learn.finetune.round import load_clips
from after_ser.learn.finetune.train import fit
from after_ser.model.classifier import start_classifier
from after_ser.model.families.conv_encoder import normalise
from after_ser.model.latents import Latents, extract_latents

#: Clips and batch size: 64 as in the released code, where the memory of a laptop allows it.
SIZES = {"toy": (12, 4), "small": (256, 64), "base": (48, 8)}

_OURS = "from cached latents"


def measure(setting: Setting) -> Figure:
    """Measure every size."""
    figure = Figure("finetuning", "One epoch of fine-tuning", "time of the plain way / time")
    device = torch.device(setting.device)
    for size in setting.sizes:
        clips, batch_size = SIZES[size]
        given = material(setting, size, clips)
        latents = setting.folder / f"latents-{size}"
        begun = time.perf_counter()
        extract_latents(given.model, given.manifest, None, latents, setting.device, setting.threads)
        extraction_s = time.perf_counter() - begun
        ways = {
            "Hugging Face Trainer": _trainer(given, batch_size, setting),
            "released code's way": _released(given, batch_size, setting),
            _OURS: _ours(given, latents, batch_size, setting),
        }
        if has_bf16(device):
            ways[f"{_OURS}, bf16"] = _ours(given, latents, batch_size, setting, True)
        timed = interleaved(ways, setting.repeats)
        figure.add(size, timed, "Hugging Face Trainer")
        released = [a / b for a, b in zip(timed["released code's way"], timed[_OURS], strict=True)]
        lengths = np.array([len(one) for one in given.waveforms], dtype=float)
        order = epoch_batches(lengths, batch_size, np.random.default_rng(0))
        figure.facts[size] = {
            "clips": clips,
            "seconds_of_audio": round(given.seconds, 1),
            "batch_size": batch_size,
            "times_the_released_way": round(float(np.median(released)), 3),
            "extraction_of_the_latents_once_s": round(extraction_s, 3),
            "padding_here": _padding(lengths, _parts(lengths, order, device)),
            "padding_here_if_batches_were_not_parted": _padding(lengths, order),
            "padding_of_random_batches": _padding(lengths, _random(clips, batch_size)),
        }
        least = 3.0 if size == "base" else 5.0
        figure.targets += [(size, name, least) for name in ways if name.startswith(_OURS)]
    return figure


def _ours(
    given: Material, latents: Path, batch_size: int, setting: Setting, bf16: bool = False
) -> Callable[[], None]:
    device = torch.device(setting.device)
    settings: dict[str, Any] = {
        **{"learning_rate": 1e-4, "batch_size": batch_size, "max_epochs": 1, "max_steps": 0},
        **{"patience": 1, "crop_s": 1000.0, "class_weights": "none"},
    }

    def epoch() -> None:
        model = start_classifier(given.model, CLASSES, "mean-relu-linear", 0)
        model.bf16 = bf16
        with Latents(latents) as store:
            train = load_clips(store, given.utts)
            val = load_clips(store, given.utts[:1])
        fit(
            model,
            train,
            given.labels,
            val,
            given.labels[:1],
            settings,
            given.frames_per_second,
            ("benchmark",),
            device,
        )

    return epoch


def plain_model(folder: Path, device: str) -> Any:
    """Return transformers' classifier on a checkpoint, its CNN frozen and no frame masked."""
    logging.set_verbosity_error()  # the new head and the unused quantiser are meant to be so
    model = Wav2Vec2ForSequenceClassification.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        num_labels=len(CLASSES),
        apply_spec_augment=False,
    )
    model.freeze_feature_encoder()
    return model.to(device)


def padded(clips: Sequence[np.ndarray], masked: bool) -> dict[str, torch.Tensor]:
    """Return clips [T_i] padded to the longest: input_values [B, T] and, if wanted, their mask."""
    longest = max(map(len, clips))
    values = torch.zeros(len(clips), longest)
    mask = torch.zeros(len(clips), longest, dtype=torch.long)
    for row, clip in enumerate(clips):
        values[row, : len(clip)] = torch.from_numpy(clip)
        mask[row, : len(clip)] = 1
    return {"input_values": values} | ({"attention_mask": mask} if masked else {})


def _examples(given: Material) -> list[dict[str, Any]]:
    return [
        {"input_values": normalise(waveform), "label": CLASSES.index(label)}
        for waveform, label in zip(given.waveforms, given.labels, strict=True)
    ]


def _trainer(given: Material, batch_size: int, setting: Setting) -> Callable[[], None]:
    model = plain_model(given.model, setting.device)
    masked = model.config.feat_extract_norm == "layer"

    def collate(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        labels = torch.tensor([item["label"] for item in items])
        return padded([item["input_values"] for item in items], masked) | {"labels": labels}

    arguments = TrainingArguments(
        output_dir=str(setting.folder / "trainer"),
        per_device_train_batch_size=batch_size,
        num_train_epochs=1,
        learning_rate=1e-4,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=setting.device == "cpu",
    )
    examples = _examples(given)

    def epoch() -> None:
        # one Trainer for each epoch: a second call of the same one would go on with its state
        Trainer(model, arguments, collate, examples).train()

    return epoch


def _random(clips: int, batch_size: int) -> list[np.ndarray]:
    order = np.random.default_rng(0).permutation(clips)
    return [order[at : at + batch_size] for at in range(0, clips, batch_size)]


def _released(given: Material, batch_size: int, setting: Setting) -> Callable[[], None]:
    """Random batches padded to the longest, in fp32, through CNN and transformer every time."""
    model = plain_model(given.model, setting.device).train()
    masked = model.config.feat_extract_norm == "layer"
    trained = [one for one in model.parameters() if one.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=1e-4)
    examples = _examples(given)

    def epoch() -> None:
        for batch in _random(len(examples), batch_size):
            inputs = padded([examples[i]["input_values"] for i in batch], masked)
            labels = torch.tensor([examples[i]["label"] for i in batch])
            moved = {name: value.to(setting.device) for name, value in inputs.items()}
            loss = model(**moved, labels=labels.to(setting.device)).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            loss.item()

    return epoch


def _parts(
    lengths: np.ndarray, batches: Sequence[np.ndarray], device: torch.device
) -> list[np.ndarray]:
    """Return what goes through the model at once; lengths in samples."""
    frames = frames_per_batch(device) * SAMPLE_RATE / 50
    parts = ((batch, scoring_batches(lengths[batch], int(frames))) for batch in batches)
    return [batch[part] for batch, found in parts for part in found]


def _padding(lengths: np.ndarray, batches: Sequence[np.ndarray]) -> float:
    """Return the share of what the model works on that is padding."""
    worked = sum(len(batch) * lengths[batch].max() for batch in batches)
    return round(float(1 - lengths.sum() / worked), 4)


if __name__ == "__main__":
    main(measure)
