"""Queries that no strategy made, and what people had labelled before anything was asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from after_ser.run.atomic import read_tsv

COLUMNS = ["utt", "rank", "score"]


def unscored_query(utts: Sequence[str]) -> pd.DataFrame:
    """Return a query that asks for clips in the given order: utt, rank, score 0."""
    return pd.DataFrame(
        {"utt": list(utts), "rank": range(1, len(utts) + 1), "score": "0"}, columns=COLUMNS
    )


def asked_before(frozen: str | Path | None) -> pd.DataFrame | None:
    """Return the query that people have been asked already, or None if it is still to be made.

    `frozen` is the path of the published query, None for a simulated oracle.
    """
    return read_tsv(frozen) if frozen is not None and Path(frozen).exists() else None


def empty_query() -> pd.DataFrame:
    """Return the query of a round that has nothing to ask for."""
    return pd.DataFrame(columns=COLUMNS, dtype=str)


def given_labels(manifest: str | Path) -> dict[str, str]:
    """Return clip to label for the clips of a manifest that have a label.

    In a run that asks people these are the labels they brought along.
    """
    table = read_tsv(manifest, columns=("utt", "label"))
    labelled = table[table["label"] != ""]
    return dict(zip(labelled["utt"], labelled["label"], strict=True))
