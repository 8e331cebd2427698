"""Config of a corpus.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Any

from after_ser.core.settings import Count, Positive, Settings, Share, key, optional


class Synthetic(Settings):
    """A small synthetic corpus in the layout of a real one."""

    clips: Count = key(
        ...,
        "number of sound clips (at least 8 for a release layout); a few planted bad ones come on "
        "top in some layouts",
    )
    speakers: Count | None = key(
        None,
        "number of speakers; null takes all of a corpus of up to ten, else about one per six clips",
    )
    seed: int = key(0, "seed of the synthesiser")
    pretraining: bool = key(
        False,
        "unlabelled speech of speakers that occur in no corpus, for a backbone from scratch; needs "
        "layout `csv`",
    )


class Corpus(Settings):
    """A corpus: the layout of its release, and where it is."""

    layout: str = key(..., "the release layout, i.e. which adapter reads it (below)", "emodb")
    root: str = optional(
        "folder of the unmodified release, absolute or below `corpora_root`. Give `root` or "
        "`synthetic`, not both",
        "CREMA-D",
    )
    synthetic: Synthetic = optional(
        "write a small synthetic corpus in this layout instead of reading one", {"clips": 70}
    )
    hours: Positive = optional(
        "hours of speech, by which jobs ask a cluster for time and memory; no result depends on it",
        unset="what the layout's release has, 10 for `csv`",
    )
    labels: dict[str, str | None] = key(
        {},
        "raw label to class, or to null for a label that is not used; replaces single entries of "
        "the adapter's table",
        {"calm": "neutral", "surprised": None},
    )
    options: dict[str, Any] = key({}, "options of the adapter (below)", {"ignore": ["*_old.wav"]})
    licence: str = optional(
        "terms of the corpus, for the model card of `make export`; what "
        "[downloads.yaml](../config/downloads.yaml) says of the layout where it is not given",
        "CC BY 4.0",
        unset="unknown",
    )
    max_rejected_share: Share = key(
        0.05, "stop where more than this share of the clips cannot be used, copies not counted"
    )
    exact_names: bool = key(
        False,
        "take speakers or sessions whose names differ only in case, spaces or Unicode form as "
        "different ones; else they are one, with a notice",
    )
