"""Config of a backbone.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import StringConstraints

from after_ser.core.settings import (
    Count,
    NotNegative,
    Part,
    Positive,
    Settings,
    Whole,
    key,
    optional,
)

_Speakers = Annotated[dict[str, Literal["all"] | Annotated[list[str], MinLen(1)]], MinLen(1)]


class Pretraining(Settings):
    """How a backbone is pre-trained from scratch."""

    corpora: _Speakers = key(
        ...,
        "corpus to `all` or a list of its speakers; these clips are left out of every dataset",
        {"cremad": ["1013", "1014"]},
    )
    seed: Whole = key(0, "seed of weights and batches")
    objective: str = key("wav2vec2", "what is minimised, as under `tapt`", "wav2vec2")
    steps: Count = key(20000, "optimiser steps")
    seconds_per_step: Positive = key(250, "audio per step in seconds, padding included")
    learning_rate: Positive = key(0.0001, "of Adam, after warm-up")
    warmup: Whole = key(
        100, "steps of linear warm-up; then flat for 5 % of the steps, then linear to zero"
    )
    crop_s: Positive = key(10, "longer clips are cropped at random to this many seconds")
    mask_share: Part = key(0.5, "share of frames that is masked")
    mask_span: Count = key(10, "frames per masked span")
    clip_norm: NotNegative = key(1.0, "limit of the gradient norm; 0 is none")
    precision: Literal["fp32", "bf16"] = key("fp32", "`fp32` or `bf16` (forward pass)")
    accumulation: Count = key(
        1,
        "parts that every step is made in, on each GPU, one after the other: less memory for "
        "activations, the same loss and gradient. No finished result is made again, and a "
        "checkpoint is taken up",
    )
    validation_share: Annotated[float, Ge(0), Le(0.5)] = key(
        0.05,
        "share of the speech that is held out (whole speakers, where they are small enough and all "
        "clips name theirs) and never learnt from; the loss on it is in `validation.tsv` and in "
        "`figures/pretraining/`. Nothing is decided by it; 0 is none",
    )
    validations: Count = key(
        20, "how often that loss is measured, evenly spread over the steps; the last step has one"
    )
    checkpoint_every: Count = key(
        500, "steps between checkpoints from which an interrupted run continues"
    )


class Backbone(Settings):
    """A backbone: from the hub, from a folder, or from scratch."""

    hub: str = optional(
        "id of a model on the Hugging Face hub, of one of the families below; needs `revision`",
        "facebook/wav2vec2-base",
    )
    revision: Annotated[str, StringConstraints(pattern="^[0-9a-f]{40}$")] = optional(
        "commit of the hub model, 40 hexadecimal digits", "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8"
    )
    folder: str = optional(
        "a local checkpoint folder with `config.json`, `preprocessor_config.json` and the weights",
        "/path/to/wav2vec2-base",
    )
    licence: str = optional(
        "terms of the weights, for the model card of `make export`; changes nothing else",
        "MIT",
        unset="known for the models of base.yaml, else unknown",
    )
    note: str = optional(
        "a sentence that tables print about it, e.g. what it has already heard; changes nothing "
        "else",
        "It has heard 100 h of labelled emotional speech.",
    )
    scratch: dict[str, Any] = optional(
        "architecture of a small wav2vec 2.0 that the workflow trains itself (below); needs "
        "`pretraining`"
    )
    pretraining: Pretraining = optional(
        "how a scratch backbone is trained (below)", {"corpora": {"ravdess": ["13", "14"]}}
    )
