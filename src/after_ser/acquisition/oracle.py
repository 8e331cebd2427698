"""The oracle: answers a query with labels. The only place of active learning that reads them."""

from __future__ import annotations

import pandas as pd

COLUMNS = ["utt", "label", "acquired_in_round", "rank", "score"]


def answer(
    query: pd.DataFrame, known: pd.DataFrame | None, truth: dict[str, str], round_index: int
) -> pd.DataFrame:
    """Return everything labelled so far: `known` and then the query's clips with their labels.

    query:  utt, rank, score as published in query.tsv.
    known:  the previous round's labelled.tsv, or None in round 0.
    truth:  clip to label, from the dataset's manifest (the simulated annotator).
    Raises ValueError for a clip that is asked for twice or that has no label.
    """
    asked = list(query["utt"])
    before = list(known["utt"]) if known is not None else []
    repeated = set(asked) & set(before) or {clip for clip in asked if asked.count(clip) > 1}
    if repeated:
        raise ValueError(f"clip {min(repeated)} was asked for twice")
    missing = [clip for clip in asked if clip not in truth]
    if missing:
        raise ValueError(f"the oracle has no label for clip {missing[0]}")
    new = pd.DataFrame(
        {
            "utt": asked,
            "label": [truth[clip] for clip in asked],
            "acquired_in_round": round_index,
            "rank": query["rank"].to_numpy(),
            "score": query["score"].to_numpy(),
        },
        columns=COLUMNS,
    )
    return new if known is None else pd.concat([known[COLUMNS], new], ignore_index=True)
