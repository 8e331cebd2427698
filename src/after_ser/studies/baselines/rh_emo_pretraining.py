"""RH-emo's two runs of pre-training, on the train split of the fold alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from after_ser.core.seeding import derive_seed
from after_ser.learn.stopping import EarlyStopping
from after_ser.learn.training import Row, Training, gradients_of
from after_ser.studies.baselines.base import Clip
from after_ser.studies.baselines.rh_emo_autoencoder import RATINGS, AutoEncoder, pretraining_loss
from after_ser.studies.baselines.segments import Segments
from after_ser.studies.baselines.train import shuffled_batches


def scaled_ratings(train: Sequence[Clip], clips: Sequence[Clip]) -> Tensor:
    """Return ratings [clips, 3] in 0 to 1, NaN where a clip has none.

    Scales differ between corpora and are not declared, so that the least and largest rating of a
    corpus (the part of the utterance before "/") in `train` become 0 and 1; what lies beyond in
    `clips` is cut off. A corpus that train does not have, or only with one value, has no ratings.
    """
    ends: dict[tuple[str, str], tuple[float, float]] = {}
    for clip in train:
        for name in RATINGS:
            value = getattr(clip, name)
            if value is not None:
                key = (_corpus(clip), name)
                low, high = ends.get(key, (value, value))
                ends[key] = (min(low, value), max(high, value))
    scaled = torch.full((len(clips), len(RATINGS)), math.nan)
    for row, clip in enumerate(clips):
        for column, name in enumerate(RATINGS):
            value = getattr(clip, name)
            low, high = ends.get((_corpus(clip), name), (0.0, 0.0))
            if value is not None and high > low:
                scaled[row, column] = min(1.0, max(0.0, (value - low) / (high - low)))
    return scaled


def _corpus(clip: Clip) -> str:
    before, slash, _ = clip.utt.partition("/")
    return before if slash else ""


def pretrain(
    model: AutoEncoder,
    train: tuple[Segments, Tensor, Tensor],
    val: tuple[Segments, Tensor, Tensor],
    *,
    stage: str,
    beta: float,
    settings: dict[str, Any],
    seed: int,
    device: torch.device,
) -> int:
    """Train in place, restore the epoch of lowest val loss, and return it.

    train, val: segments [N, 512, 128], emotion [N], ratings [N, 3]. The loss is that of the run:
    `beta` 0 is the reconstruction alone. stage: the prefix of the settings <stage>_epochs,
    _patience (0: never stops early), _batch_size, _learning_rate, _weight_decay. With
    settings["epoch_segments"] above 0, an epoch is so many of the segments, drawn anew.
    """
    size = settings[f"{stage}_batch_size"]
    run_seed = derive_seed(seed, "rh_emo", stage)
    count = len(train[0].clip)
    most = settings["epoch_segments"] or count

    def batches(epoch: int, done: int) -> list[np.ndarray]:
        chosen = shuffled_batches(count, size, run_seed, epoch)
        seen = np.cumsum([len(batch) for batch in chosen])
        return chosen[: int(np.searchsorted(seen, most)) + 1]

    def measure(epoch: int, rows: list[Row]) -> tuple[Row, float]:
        loss = _mean_loss(model, val, size, beta, device)
        return {"epoch": epoch, "val_loss": loss}, loss

    training = Training(
        name=f"baseline rh_emo, {stage} run",
        model=model,
        optimiser=torch.optim.Adam(
            model.parameters(),
            lr=settings[f"{stage}_learning_rate"],
            weight_decay=settings[f"{stage}_weight_decay"],
        ),
        epochs=settings[f"{stage}_epochs"],
        seed=(run_seed,),
        batches=batches,
        gradients=lambda batch: gradients_of(_loss(model, train, batch, beta, device)),
        measure=measure,
        stopping=EarlyStopping(settings[f"{stage}_patience"]),
    ).run()
    model.eval()
    return training.stopping.best_epoch


def _loss(
    model: AutoEncoder,
    data: tuple[Segments, Tensor, Tensor],
    batch: np.ndarray,
    beta: float,
    device: torch.device,
) -> Tensor:
    segments, emotion, ratings = data
    x = segments.values[batch].to(device).float().unsqueeze(1)
    return pretraining_loss(model(x), x, emotion[batch].to(device), ratings[batch].to(device), beta)


@torch.no_grad()
def _mean_loss(
    model: AutoEncoder,
    data: tuple[Segments, Tensor, Tensor],
    size: int,
    beta: float,
    device: torch.device,
) -> float:
    """Return the loss of all segments: the mean over batches, weighted by their sizes."""
    model.eval()
    total, count = 0.0, len(data[0].clip)
    for begin in range(0, count, size):
        batch = np.arange(begin, min(begin + size, count))
        total += float(_loss(model, data, batch, beta, device)) * len(batch)
    return total / count
