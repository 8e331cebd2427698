"""How much of each query is the true top k of its strategy's score."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from after_ser.run.atomic import read_tsv
from after_ser.select.base import scores_of
from after_ser.select.query import pool_view
from after_ser.select.registry import STRATEGIES, strategy

COLUMNS = ["arm", "fold", "seed", "budget", "overlap", "chance"]


def top_k_overlap(pool: pd.DataFrame, query: pd.DataFrame, name: str) -> float:
    """Return the share of a query's clips that are among the k largest scores, 0 to 1.

    pool:  pool.tsv that the query was made from, probabilities as numbers; query: query.tsv.
    A clip as good as the k-th counts, so that ties cost nothing. NaN for an empty query.
    """
    if query.empty:
        return float("nan")
    view = pool_view(pool, STRATEGIES[name])
    scores = pd.Series(scores_of(strategy(name), view), index=view.utts)
    threshold = np.sort(scores)[-len(query)]
    return float(np.mean(scores[list(query["utt"])] >= threshold))


def selection_overlaps(cells: Iterable[Any]) -> pd.DataFrame:
    """Return [arm, fold, seed, budget, overlap, chance] of every cell with a query of its own.

    Only for strategies with a score per clip that pool.tsv alone decides. `chance` is k / N, what
    a random choice would have. fold and seed are text, as in scores.tsv read by reports.
    """
    rows = []
    for cell in cells:
        entry = STRATEGIES[cell.strategy]
        if cell.selection_files is None or not entry.per_clip or entry.reads:
            continue
        pool_file, query_file = cell.selection_files
        pool = read_tsv(pool_file)
        pool = pool.astype({column: float for column in pool.columns if column != "utt"})
        query = read_tsv(query_file)
        if len(query):
            rows.append(
                {
                    "arm": cell.arm,
                    "fold": str(cell.fold),
                    "seed": str(cell.seed),
                    "budget": cell.budget,
                    "overlap": top_k_overlap(pool, query, cell.strategy),
                    "chance": len(query) / len(pool),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)
