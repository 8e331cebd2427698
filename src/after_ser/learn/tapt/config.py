"""Config of a TAPT variant, and of the first stage of P-TAPT.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, MinLen

from after_ser.core.settings import (
    Count,
    Many,
    NotNegative,
    Part,
    Positive,
    Settings,
    Share,
    Text,
    ValShare,
    Whole,
    key,
    optional,
)


class Scratch(Settings):
    """A wav2vec (version 1) from random weights."""

    channels: Annotated[int, Ge(2)] = key(128, "channels of every layer (512 in the large one)")
    aggregator: Annotated[list[Count], MinLen(1)] = key(
        [2, 3, 4, 5], "kernels of the aggregator's layers (2 to 13 in the large one)"
    )


class FirstStage(Settings):
    """Where the pseudo-labels of P-TAPT come from."""

    checkpoint: Text = optional(
        "fairseq's checkpoint of wav2vec (version 1), `wav2vec_large.pt` from "
        "`https://dl.fbaipublicfiles.com/fairseq/wav2vec/`; absolute, or relative to where "
        "`snakemake` is started. Its CNN is frozen. Give this or `scratch`",
        "data/wav2vec_large.pt",
    )
    scratch: Scratch = optional(
        "a smaller wav2vec from random weights instead, all of which is trained; tables say so",
        {"channels": 64},
    )
    steps: Count = key(10000, "optimiser steps of the emotion-state model")
    batch_size: Count = key(64, "clips per step")
    learning_rate: Positive = key(0.0001, "of Adam, after warm-up")
    warmup: Share = key(0.05, "share of the steps of linear warm-up")
    flat: Share = key(0.05, "share of the steps at the full rate; then linear to zero")
    crop_s: Positive = key(
        10,
        "a batch is cropped at random to its shortest clip, and to no more than this many seconds",
    )
    val_share: ValShare = key(
        0.1, "share of the train clips that are held out to choose the best step"
    )
    checkpoint_every: Count = key(
        500, "steps between checkpoints from which an interrupted run continues"
    )
    clusters: Many[Annotated[int, Ge(2)]] = key(
        [64, 512, 4096], "numbers of clusters, one K-means and one prediction head each"
    )
    iterations: Count = key(20, "passes of K-means over all frames of train")


class Variant(Settings):
    """A variant of task-adaptive pre-training."""

    objective: str = key(
        "eq1+eq2",
        "`eq1` (contrastive, paper Eq. 1), `eq2` (reconstruction, Eq. 2), both joined by `+` (Eq. "
        "3), `wav2vec2` (its own loss, as in the released code), or `p-tapt` (below)",
        "wav2vec2",
    )
    seed_per_run: bool = key(False, "one TAPT per seed; false shares one per fold among all seeds")
    steps: Count = key(20000, "optimiser steps")
    seconds_per_step: Positive = key(250, "audio per step in seconds, padding included")
    learning_rate: Positive = key(0.0001, "of Adam, after warm-up")
    warmup: Whole = key(
        100, "steps of linear warm-up; then flat for 5 % of the steps, then linear to zero"
    )
    crop_s: Positive = key(10, "longer clips are cropped at random to this many seconds")
    mask_share: Part = key(0.15, "share of frames that is masked")
    mask_span: Count = key(10, "frames per masked span; shortened in clips of fewer than two spans")
    mask_min_spans: Count = optional(
        "least masked spans per clip, where so many leave half of it", unset="`1`"
    )
    temperature: Positive = key(0.1, "κ of Eq. 1; `wav2vec2` uses the checkpoint's own")
    clip_norm: NotNegative = key(0, "limit of the gradient norm; 0 is none")
    precision: Literal["fp32", "bf16"] = key("fp32", "`fp32` or `bf16` (forward pass)")
    accumulation: Count = key(
        1,
        "parts that every step is made in, on each GPU, one after the other: less memory for "
        "activations, the same loss and gradient. No finished result is made again, and a "
        "checkpoint is taken up",
    )
    checkpoint_every: Count = key(
        500, "steps between checkpoints from which an interrupted run continues"
    )
    first_stage: FirstStage = optional(
        "of `p-tapt`, and only of it: where its pseudo-labels come from (below)",
        {"checkpoint": "wav2vec_large.pt"},
    )
