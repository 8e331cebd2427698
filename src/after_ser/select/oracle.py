"""The oracle: answers a query with labels. The only place of active learning that reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.run.atomic import read_tsv
from after_ser.select.annotators import Answers, simulate

COLUMNS = ["utt", "label", "acquired_in_round", "rank", "score"]


def read_answers(
    manifest: str | Path, classes: Sequence[str], oracle: Mapping[str, Any], dataset: str
) -> Answers:
    """Return what the simulated annotators of these settings say of every clip of a manifest."""
    truth = read_tsv(manifest, columns=("utt", "label")).set_index("utt")["label"].to_dict()
    return simulate(truth, classes, oracle, dataset)


def answer(
    query: pd.DataFrame,
    known: pd.DataFrame | None,
    labels: Mapping[str, str],
    round_index: int,
    votes: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return everything labelled so far: `known` and then the query's clips with their labels.

    query:  utt, rank, score as published in query.tsv.
    known:  the previous round's labelled.tsv, or None in round 0.
    labels: clip to answered label, see `read_answers`.
    votes:  clip to what the annotators said, e.g. "anger:2,sad:1", where they may err; it becomes
            a column of its own.
    Raises ValueError for a clip that is asked for twice or that has no label.
    """
    asked = list(query["utt"])
    before = list(known["utt"]) if known is not None else []
    repeated = set(asked) & set(before) or {clip for clip in asked if asked.count(clip) > 1}
    if repeated:
        raise ValueError(f"clip {min(repeated)} was asked for twice")
    missing = [clip for clip in asked if clip not in labels]
    if missing:
        raise ValueError(f"the oracle has no label for clip {missing[0]}")
    new = pd.DataFrame(
        {
            "utt": asked,
            "label": [labels[clip] for clip in asked],
            "acquired_in_round": round_index,
            "rank": query["rank"].to_numpy(),
            "score": query["score"].to_numpy(),
        },
        columns=COLUMNS,
    )
    if votes is not None:
        new["votes"] = [votes[clip] for clip in asked]
    return new if known is None else pd.concat([known[list(new.columns)], new], ignore_index=True)
