"""Config of a protocol: how models are fine-tuned, and who labels.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le, Lt, MinLen

from after_ser.core.settings import Count, Positive, Settings, Share, Whole, key, optional


class Annotator(Settings):
    """A simulated annotator."""

    confusion: dict[str, Annotated[dict[str, Share], MinLen(1)]] = key(
        ..., "true class to answer to probability"
    )


class Oracle(Settings):
    """Who answers queries, and how they err."""

    kind: Literal["simulated", "human"] = key(
        "simulated",
        "`simulated`, or `human`: people answer ([own.md](own.md)); the next two keys "
        "are for them, the others for simulated annotators",
    )
    disagreement: Literal["majority", "adjudicate"] = optional(
        "`majority`: what most annotators of a clip said, ties wait for a decision; `adjudicate`: "
        "every difference does",
        unset="`majority`",
    )
    per_clip: Count = optional(
        "annotators that must have answered a clip before it counts", unset="`1`"
    )
    label_noise: Annotated[float, Ge(0), Lt(1)] = key(
        0.0, "share of the dataset's clips that get a wrong class, uniform over the others"
    )
    annotators: list[Annotator] = key(
        [],
        "several annotators instead of one, each with its `confusion`: true class to answer to "
        "probability; a class without a row is always recognised",
        [{"confusion": {"anger": {"anger": 0.8, "neutral": 0.2}}}, {"confusion": {}}],
    )
    aggregate: Literal["majority"] = key(
        "majority", "`majority`: the most frequent answer; ties are broken by a draw per clip"
    )


class Protocol(Settings):
    """How models are fine-tuned."""

    warm_start: bool = key(
        True,
        "true: a round continues from the model of the round before (Algorithm 1); false: every "
        "round begins from the start checkpoint",
    )
    head: str = key(
        "mean-relu-linear",
        "`mean-relu-linear`: mean over time, ReLU, linear; `relu-mean-linear`: the released code's "
        "order; `sequence-classification`: projector per frame, mean, linear, as transformers' "
        "Wav2Vec2ForSequenceClassification, the one that `make export` can write",
    )
    class_weights: Literal["none", "balanced"] = key(
        "none",
        "of the cross-entropy: `none`, or `balanced` (inverse to the labelled counts; a class "
        "without a label yet has weight 0)",
    )
    learning_rate: Positive = key(0.0001, "of Adam, constant; Adam is reset in every round")
    batch_size: Count = key(64, "clips per step; the last, smaller batch of an epoch is used too")
    max_epochs: Count = key(200, "most epochs of a round")
    max_steps: Whole = key(0, "most steps of a round, in whole epochs; `0` is no limit")
    patience: Count = key(
        20,
        "epochs without a lower val loss before a round stops; the best epoch's weights are kept",
    )
    crop_s: Positive = key(
        10,
        "longer clips are cropped at random to this many seconds, in training only; val, test and "
        "pool are scored whole",
    )
    oracle: Oracle = key(Oracle, "who answers queries (below)", {"label_noise": 0.1})
    shuffle: bool = key(
        True, "false: batches follow the order of `labelled.tsv`, the same in every epoch"
    )
    drop_last: bool = key(
        False,
        "true: clips that fill no whole batch are left out of the epoch, the newest ones where "
        "`shuffle` is off; fewer clips than one batch are one batch all the same",
    )
    restore: Literal["best", "last"] = key(
        "best",
        "`best`: early stopping, the epoch of lowest val loss; `last`: all `max_epochs` epochs, "
        "the last one is kept and `patience` does not count",
    )
    crop: Literal["random", "head"] = key(
        "random",
        "`random`, or `head`: the first `crop_s` seconds, of train clips and also of val and pool "
        "clips where they are scored; test stays whole",
    )
    spec_augment: bool = key(
        False,
        "in training, masks spans of 0.3 s (probability 0.08, at least two; 15 frames) and spans "
        "of a twelfth of the features (0.05, at least one; 64 of 768) after the frozen projection",
    )
    fast: bool = optional(
        "false fits and scores with transformers' own modules instead of the faster ones that "
        "wav2vec 2.0 has for a CPU; they agree within 2e-5, and dropout is drawn otherwise",
        False,
        unset="`true`",
    )
    selection: Literal["top-k", "argpartition"] = key(
        "top-k",
        "`top-k`, or `argpartition`: the released code's `argpartition(scores, k)[-k:]`, for the "
        "strategies with a score per clip (`entropy`, `least_confidence`, `margin`, `bald`, "
        "`cal`); a strategy that chooses a set is refused, `random` stays as it is",
    )
    budget_shift: Annotated[int, Ge(0), Le(1)] = key(
        0,
        "`1`: round r ≥ 1, titled with fraction r of `budget`, is trained on fraction r + 1; the "
        "last one takes its own step once more, up to 1. Round 0 is not shifted. Results stand at "
        "their title; `labelled` says how many clips there were",
    )
    initial: Literal["elbow", "released"] = key(
        "elbow",
        "K-means initial set: `elbow` (see below), or `released`: three clusters, then each centre "
        "in turn takes the clip of largest cosine similarity that is left",
    )
    keep_models: Literal["last", "all"] = key(
        "all",
        "what `python -m after_ser prune <run>` leaves: `all`, or `last` (round 0 and each arm's "
        "last round)",
    )
