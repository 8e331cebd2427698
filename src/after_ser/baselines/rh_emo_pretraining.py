"""RH-emo's two runs of pre-training, on the train split of the fold alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from after_ser.baselines.base import Clip
from after_ser.baselines.rh_emo_autoencoder import RATINGS, AutoEncoder, pretraining_loss
from after_ser.baselines.segments import Segments
from after_ser.baselines.train import shuffled_batches
from after_ser.errors import InputError
from after_ser.runtime.seeding import derive_seed


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
    optimiser = torch.optim.Adam(
        model.parameters(),
        lr=settings[f"{stage}_learning_rate"],
        weight_decay=settings[f"{stage}_weight_decay"],
    )
    run_seed = derive_seed(seed, "rh_emo", stage)
    count = len(train[0].clip)
    most = settings["epoch_segments"] or count
    best_loss, best_epoch = math.inf, 0
    best_state: dict[str, Tensor] = {}
    for epoch in range(1, settings[f"{stage}_epochs"] + 1):
        model.train()
        seen = 0
        for batch in shuffled_batches(count, size, run_seed, epoch):
            value = _loss(model, train, batch, beta, device)
            _check(float(value.detach()), stage, epoch)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            seen += len(batch)
            if seen >= most:
                break
        loss = _mean_loss(model, val, size, beta, device)
        _check(loss, stage, epoch)
        if loss < best_loss:
            best_loss, best_epoch = loss, epoch
            best_state = {key: value.detach().clone() for key, value in model.state_dict().items()}
        elif 0 < settings[f"{stage}_patience"] <= epoch - best_epoch:
            break
    model.load_state_dict(best_state)
    model.eval()
    return best_epoch


def _check(loss: float, stage: str, epoch: int) -> None:
    if not math.isfinite(loss):
        raise InputError(
            f"baseline rh_emo: the loss is {loss} in epoch {epoch} of the {stage} run; expected a "
            f"finite loss, try a lower {stage}_learning_rate"
        )


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
