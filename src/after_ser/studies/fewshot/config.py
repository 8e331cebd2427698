"""What the config says of the few-shot study.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, MinLen, MultipleOf
from pydantic import StringConstraints

from after_ser.core.settings import (
    Count,
    Many,
    Name,
    NotNegative,
    Positive,
    Settings,
    Several,
    Share,
    ValShare,
    Whole,
    key,
    optional,
)


class Target(Settings):
    """Whose speakers are adapted to."""

    corpus: Name = key(..., "a key of `corpora`", "esd")
    speakers: Many[Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]+$")]] = key(
        ..., "target speakers, as the corpus names them", ["0011", "0012"]
    )
    labels: Several[str] = optional("raw labels that are emotions", ["Angry", "Sad"], unset="all")


class Source(Settings):
    """A corpus that is pre-finetuned on."""

    labels: Several[str] = optional("raw labels that are emotions", ["anger", "panic"], unset="all")
    speakers: Many[str] = optional("its speakers that are heard", ["001", "002"], unset="all")


class _Training(Settings):
    learning_rate: Positive = key(0.00003, "of AdamW, after warm-up")
    batch_size: Count = key(1, "clips per batch, of one corpus")
    accumulation: Count = key(4, "batches per step")
    warmup: Share = key(
        0.1, "share of the steps of all epochs over which the rate rises; then it falls to zero"
    )
    clip_norm: NotNegative = key(1.0, "limit of the gradient norm; 0 is none")


class Prefinetune(_Training):
    """How sources are trained on."""

    max_epochs: Count = key(200, "most epochs")
    patience: Count = key(3, "epochs without a better val accuracy, averaged over corpora")
    threshold: NotNegative = key(0.02, "a val accuracy is better from this much on")


class Adapt(_Training):
    """How target speakers are fine-tuned to."""

    few: Whole = key(8, "largest k for which the next two count")
    few_epochs: Count = key(200, "as `max_epochs`")
    few_patience: Count = key(30, "as `patience`")
    max_epochs: Count = key(50, "most epochs")
    patience: Count = key(5, "epochs without a better macro-F1 of the task's val clips")


class Study(Settings):
    """Pre-finetuning on combinations of corpora, then few-shot fits per target speaker."""

    target: Target = key(
        ...,
        "whose speakers are adapted to: `corpus`, `speakers` (a list, as the corpus names them), "
        "`labels` (raw labels that are emotions; default all)",
        {"corpus": "esd", "speakers": ["0011", "0012"]},
    )
    sources: Annotated[dict[Name, Source], MinLen(1)] = key(
        ...,
        "corpora that are pre-finetuned on, each with `labels` and `speakers` (default all). The "
        "target's corpus can be one, with other speakers",
        {"iemocap": {}, "masc": {"labels": ["anger", "panic"]}},
    )
    sizes: Many[Count] = optional("numbers of corpora that are combined", unset="one to all")
    k: Many[Annotated[int, Ge(2), MultipleOf(2)]] = key(
        [2, 4, 8, 16, 24, 32, 64],
        "training clips of a task, half of them the emotion; even numbers",
    )
    trials: Count = key(3, "draws of the k clips per speaker and emotion")
    val_clips: Whole = key(
        20,
        "clips per emotion of the target speaker that choose the epoch; `0`: all epochs are "
        "trained and the last one is kept",
    )
    test_clips: Count | None = key(
        None,
        "clips per emotion that are tested on; null is every clip that is neither in val nor "
        "trained on for the largest k",
    )
    longest_s: Positive = key(5, "seconds of a clip that are heard, from its beginning")
    source_val_share: ValShare = key(
        0.1, "share of a source's clips that choose the epoch of pre-finetuning"
    )
    seed: Whole = key(0, "of everything drawn here")
    prefinetune: Prefinetune = key(
        Prefinetune, "how sources are trained on (below)", {"max_epochs": 50}
    )
    adapt: Adapt = key(Adapt, "how target speakers are fine-tuned to (below)", {"batch_size": 4})
