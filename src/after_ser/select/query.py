"""One query: from a round's pool scores to the clips that are labelled next. Sees no label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.core.seeding import rng
from after_ser.select.base import Floats, PoolView, argpartition_slip, scores_of
from after_ser.select.registry import STRATEGIES, Entry, strategy

COLUMNS = ["utt", "rank", "score"]


def pool_view(
    pool: pd.DataFrame, entry: Entry, features: Mapping[str, Floats] | None = None
) -> PoolView:
    """Build what a strategy may see from a round's pool.tsv (utt, p_<class>…), sorted by clip.

    features: what pool.tsv has not, rows in the order of the sorted clips; of them the strategy is
    shown those of its entry.
    Raises ValueError where pool.tsv holds anything but clips and probabilities.
    """
    foreign = [c for c in pool.columns if c != "utt" and not c.startswith("p_")]
    if foreign:
        raise ValueError(f"pool.tsv has columns that no strategy may see: {', '.join(foreign)}")
    ordered = pool.sort_values("utt")
    given = dict(features or {})
    columns = [c for c in ordered.columns if c.startswith("p_")]
    given["probs"] = ordered[columns].to_numpy(dtype=float)
    names = [feature.name for feature in entry.features if feature.name in given]
    return PoolView(tuple(ordered["utt"]), {name: given[name] for name in names})


def make_query(
    pool: pd.DataFrame,
    strategy_name: str,
    k: int,
    seed_parts: tuple[str | int, ...],
    *,
    options: Mapping[str, Any] | None = None,
    features: Mapping[str, Floats] | None = None,
    selection: str = "top-k",
) -> pd.DataFrame:
    """Return the query of at most k clips for the next round.

    Columns: utt, rank (from 1), score, and what else the strategy reports of each pick.
    options: of the strategy, replacing its defaults; features: see `pool_view`.
    selection: "argpartition" is the released code's slip in place of the top k of a score; it
    changes nothing for random, which is shown nothing, and is not for strategies that choose a set.
    Raises InputError where a strategy cannot work on this pool, e.g. probabilities that are NaN.
    """
    chosen, entry = strategy(strategy_name, options), STRATEGIES[strategy_name]
    slip = selection == "argpartition" and bool(entry.features)
    try:
        view = pool_view(pool, entry, features)
        if slip:
            picked = argpartition_slip(scores_of(chosen, view), k)
        else:
            picked = chosen.select(view, k, rng(*seed_parts))
    except ValueError as error:
        raise InputError(f"strategy {strategy_name}: {error}") from error
    clips = [view.utts[index] for index in picked.indices]
    if len(set(clips)) != min(max(k, 0), len(view)):
        raise RuntimeError(f"strategy {strategy_name} chose {len(set(clips))} of {k} clips")
    return pd.DataFrame(
        {
            "utt": clips,
            "rank": range(1, len(clips) + 1),
            "score": picked.scores,
            **picked.details,
        }
    )
