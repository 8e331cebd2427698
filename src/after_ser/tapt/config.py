"""What the config says of a TAPT variant, and of the first stage of P-TAPT.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, MinLen

from after_ser.settings import (
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

    channels: Annotated[int, Ge(2)] = key(128, "channels of every layer (512 in the large one)", 64)
    aggregator: Annotated[list[Count], MinLen(1)] = key(
        [2, 3, 4, 5], "kernels of the aggregator's layers (2 to 13 in the large one)", [2, 3]
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
    steps: Count = key(10000, "optimiser steps of the emotion-state model", 200)
    batch_size: Count = key(64, "clips per step", 16)
    learning_rate: Positive = key(0.0001, "of Adam, after warm-up", 0.001)
    warmup: Share = key(0.05, "share of the steps of linear warm-up", 0.1)
    flat: Share = key(0.05, "share of the steps at the full rate; then linear to zero", 0.1)
    crop_s: Positive = key(
        10,
        "a batch is cropped at random to its shortest clip, and to no more than this many seconds",
        2,
    )
    val_share: ValShare = key(
        0.1, "share of the train clips that are held out to choose the best step", 0.2
    )
    checkpoint_every: Count = key(
        500, "steps between checkpoints from which an interrupted run goes on", 100
    )
    clusters: Many[Annotated[int, Ge(2)]] = key(
        [64, 512, 4096], "numbers of clusters, one K-means and one prediction head each", [16, 64]
    )
    iterations: Count = key(20, "passes of K-means over all frames of train", 10)


class Variant(Settings):
    """A variant of task-adaptive pre-training."""

    objective: str = key(
        "eq1+eq2",
        "`eq1` (contrastive, paper Eq. 1), `eq2` (reconstruction, Eq. 2), both joined by `+` (Eq. "
        "3), `wav2vec2` (its own loss, as in the released code), or `p-tapt` (below)",
        "wav2vec2",
    )
    seed_per_run: bool = key(
        False, "one TAPT per seed; false shares one per fold among all seeds", True
    )
    steps: Count = key(20000, "optimiser steps", 300)
    seconds_per_step: Positive = key(250, "audio per step in seconds, padding included", 60)
    learning_rate: Positive = key(0.0001, "of Adam, after warm-up", 0.0005)
    warmup: Whole = key(
        100, "steps of linear warm-up; then flat for 5 % of the steps, then linear to zero", 20
    )
    crop_s: Positive = key(10, "longer clips are cropped at random to this many seconds", 4)
    mask_share: Part = key(0.15, "share of frames that is masked", 0.2)
    mask_span: Count = key(
        10, "frames per masked span; shortened in clips of fewer than two spans", 5
    )
    mask_min_spans: Count = optional(
        "least masked spans per clip, where so many leave half of it", 2, unset="`1`"
    )
    temperature: Positive = key(0.1, "κ of Eq. 1; `wav2vec2` uses the checkpoint's own", 0.2)
    clip_norm: NotNegative = key(0, "limit of the gradient norm; 0 is none", 1)
    precision: Literal["fp32", "bf16"] = key("fp32", "`fp32` or `bf16` (forward pass)", "bf16")
    accumulation: Count = key(
        1,
        "parts that every step is made in, on each GPU, one after the other: less memory for "
        "activations, the same loss and gradient. No finished result is made again, and a "
        "checkpoint is taken up",
        4,
    )
    checkpoint_every: Count = key(
        500, "steps between checkpoints from which an interrupted run goes on", 100
    )
    first_stage: FirstStage = optional(
        "of `p-tapt`, and only of it: where its pseudo-labels come from (below)",
        {"checkpoint": "wav2vec_large.pt"},
    )
