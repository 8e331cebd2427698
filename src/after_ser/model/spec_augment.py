"""SpecAugment as the released code has it (Park et al. 2019): spans of time and of features."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

TIME_PROB, TIME_SPAN_S, TIME_SPANS = 0.08, 0.3, 2  # 15 frames of 20 ms, at least two spans
FEATURE_PROB, FEATURE_SPAN, FEATURE_SPANS = 0.05, 64 / 768, 1  # 64 of 768 features, at least one


def span_masks(
    clips: int,
    frames: int,
    width: int,
    frames_per_second: float,
    seed: int,
    spans: tuple[int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is masked: frames [B, T] and features [B, D], True where it is.

    The sizes of wav2vec2-base's spans are kept in seconds and as a share of the features, so that
    a smaller backbone loses as much. Frames are drawn over the padded length, as in the released
    code, so that spans of short clips may lie in their padding. Where even the longest clip is
    shorter than a span of time, no frame is masked. `spans` gives both sizes, in frames and in
    features, instead.
    """
    # here, since it takes three seconds and most fits mask nothing
    from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices

    time_span = max(1, round(TIME_SPAN_S * frames_per_second))
    feature_span = max(1, round(FEATURE_SPAN * width))
    if spans is not None:
        time_span, feature_span = spans
    state = np.random.get_state()  # transformers draws from NumPy's global source
    np.random.seed(seed % 2**32)
    try:
        time = np.zeros((clips, frames), dtype=bool)
        if frames >= time_span:
            time = _compute_mask_indices((clips, frames), TIME_PROB, time_span, None, TIME_SPANS)
        features = _compute_mask_indices(
            (clips, width), FEATURE_PROB, feature_span, None, FEATURE_SPANS
        )
    finally:
        np.random.set_state(state)
    return time, features


def spec_augment(hidden: Tensor, embedding: Tensor, frames_per_second: float) -> Tensor:
    """Return projected latents [B, T, D] with spans of frames and of features masked.

    A masked frame becomes `embedding` [D], the start checkpoint's own, which is not trained; a
    masked feature becomes 0 in all frames of its clip. The seed is drawn from torch's generator,
    which a fit sets for every epoch.
    """
    seed = int(torch.randint(2**31, ()))
    clips, frames, width = hidden.shape
    time, features = span_masks(clips, frames, width, frames_per_second, seed)
    time_mask = torch.from_numpy(time).to(hidden.device)[..., None]
    feature_mask = torch.from_numpy(features).to(hidden.device)[:, None]
    hidden = torch.where(time_mask, embedding.to(hidden.dtype), hidden)
    return hidden.masked_fill(feature_mask, 0.0)
