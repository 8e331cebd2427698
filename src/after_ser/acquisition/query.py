"""One query: from a round's pool scores to the clips that are labelled next. Sees no label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from after_ser.acquisition.base import Floats, PoolView, argpartition_slip
from after_ser.acquisition.registry import PER_CLIP, STRATEGIES, strategy
from after_ser.errors import InputError
from after_ser.runtime.seeding import rng

COLUMNS = ["utt", "rank", "score"]


def pool_view(
    pool: pd.DataFrame, needs: frozenset[str], features: Mapping[str, Floats] | None = None
) -> PoolView:
    """Build what a strategy may see from a round's pool.tsv (utt, p_<class>…), sorted by clip.

    features: further fields of PoolView, their rows in the order of the sorted clips.
    Raises ValueError where pool.tsv holds anything but clips and probabilities.
    """
    foreign = [c for c in pool.columns if c != "utt" and not c.startswith("p_")]
    if foreign:
        raise ValueError(f"pool.tsv has columns that no strategy may see: {', '.join(foreign)}")
    ordered = pool.sort_values("utt")
    given = dict(features or {})
    if "probs" in needs:
        columns = [c for c in ordered.columns if c.startswith("p_")]
        given["probs"] = ordered[columns].to_numpy(dtype=float)
    return PoolView(tuple(ordered["utt"]), **{name: given[name] for name in needs if name in given})


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
    changes nothing for random, and is no choice for strategies that choose a set (ValueError).
    Raises InputError where a strategy cannot work on this pool, e.g. probabilities that are NaN.
    """
    chosen = strategy(strategy_name, options)
    slip = selection == "argpartition" and strategy_name != "random"
    if slip and strategy_name not in PER_CLIP:
        raise ValueError(f"argpartition needs a score per clip, which {strategy_name} has not")
    try:
        view = pool_view(pool, STRATEGIES[strategy_name].needs, features)
        picked = chosen.select(view, len(view) if slip else k, rng(*seed_parts))
        if slip:
            picked = argpartition_slip(picked, k)
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
