"""Surprisal embeddings: how badly the self-supervised model predicts each part of a clip (ALPs)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

from after_ser.learn.tapt.forward import masked, quantise
from after_ser.learn.tapt.masking import span_mask
from after_ser.model.families.base import Pretraining
from after_ser.model.latents import Latents
from after_ser.model.registry import family_of
from after_ser.run.atomic import atomic_path
from after_ser.run.timing import Stopwatch

_TEMPERATURE = 0.1  # kappa of Eq. 1
_FRAMES = 1500  # 30 s at 50 frames a second: longer clips go in pieces, for the [T, T] similarity


def extract_surprisal(
    checkpoint: str | os.PathLike[str],
    latents_folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    bins: int,
    maskings: int,
    mask_share: float,
    mask_span: int,
    device: torch.device,
    watch: Stopwatch,
) -> None:
    """Write surprisal [N, bins] float32 of every clip in the order of the latents' index.tsv.

    Yuan, Lin & Boyd-Graber (2020) take the masked language model's loss per token; here it is
    Eq. 1's InfoNCE per masked frame, of the start model in evaluation mode, no label and no head
    involved. Their input stays unmasked; a wav2vec 2.0 context network sees the frame then and
    its loss says nothing, so frames are masked as in TAPT, `maskings` times with seeds named by
    clip, and a frame's losses averaged. A clip's frames are then averaged in `bins` equal parts
    of time, since frame t of one clip has nothing to do with frame t of another; a part without
    a masked frame is 0, as an unchosen token is in ALPs. Cost O(N maskings T²).
    """
    model = family_of(checkpoint).pretraining(checkpoint)
    model.module.to(device)
    with Latents(latents_folder) as latents:
        rows = np.zeros((len(latents.utts), bins), dtype=np.float32)
        for row, utt in enumerate(latents.utts):
            frames = latents.frames(utt).astype(np.float32)
            with watch.computing():
                losses, counted = clip_surprisal(
                    model, frames, maskings, mask_share, mask_span, ("surprisal", utt), device
                )
                rows[row] = binned(losses, counted, bins)
    with atomic_path(Path(out)) as temporary, open(temporary, "wb") as file:
        np.save(file, rows)


@torch.inference_mode()
def clip_surprisal(
    model: Pretraining,
    frames: np.ndarray,
    maskings: int,
    mask_share: float,
    mask_span: int,
    seed: tuple[str | int, ...],
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    """Return per frame of a clip the summed InfoNCE loss in nats and how often it was masked.

    `frames` are the clip's CNN outputs [T, D]; both results are [T].
    """
    total = np.zeros(len(frames))
    counted = np.zeros(len(frames))
    own = model.quantiser
    for start in range(0, len(frames), _FRAMES):
        piece = torch.from_numpy(frames[start : start + _FRAMES])[None].to(device)
        length = piece.shape[1]
        part = slice(start, start + length)
        projected, normed = model.project(piece)
        quantised, _ = quantise(own.quantizer, normed, 1.0)
        target = nn.functional.normalize(own.project_q(quantised).float(), dim=-1)[0]
        lengths = np.full(maskings, length)
        masks = span_mask(lengths, length, mask_share, mask_span, *seed, start)
        hide = torch.from_numpy(masks).to(device)
        context = own.project_hid(model.body.last(masked(model, projected, hide), None))
        context = nn.functional.normalize(context.float(), dim=-1)[hide]
        frames_hidden = torch.nonzero(hide)[:, 1]
        scores = context @ target.T / _TEMPERATURE
        loss = nn.functional.cross_entropy(scores, frames_hidden, reduction="none")
        _, frame = np.nonzero(masks)
        np.add.at(total[part], frame, loss.double().cpu().numpy())
        counted[part] += masks.sum(axis=0)
    return total, counted


def binned(losses: np.ndarray, counted: np.ndarray, bins: int) -> np.ndarray:
    """Return the mean loss per masking in `bins` equal parts of time [bins]; 0 where unmasked."""
    part = np.arange(len(losses)) * bins // max(len(losses), 1)
    sums = np.bincount(part, weights=losses, minlength=bins)
    counts = np.bincount(part, weights=counted, minlength=bins)
    mean: np.ndarray = np.divide(sums, counts, out=np.zeros(bins), where=counts > 0)
    return mean
