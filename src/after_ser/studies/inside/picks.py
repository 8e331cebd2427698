"""Shares of classes or corpora among the clips of each round, beside the pool they came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from after_ser.core.seeding import rng
from after_ser.judge.statistics import summarise
from after_ser.studies.inside.gather import Run

DRAWS = 2000
BAND = (0.025, 0.975)
SUMMARY = ("mean", "ci_low", "ci_high", "n_folds", "n_seeds")


def share_table(
    runs: Sequence[Run], group: Mapping[str, str], values: Sequence[str], name: str
) -> pd.DataFrame:
    """Return the share (0..1) of every value among each round's new clips and in their pool.

    group: clip to its class or corpus, of train clips that have one; name: names the random source.
    Columns: value, round, budget, picks (new clips of all runs together), count (those of the
    value), mean, ci_low, ci_high, n_folds, n_seeds (`summarise` of the runs' shares), pool (mean
    share among the clips that could be picked: train without what was labelled before), band_low,
    band_high: 95 % of the means that picking by lot from the same pools gives. A run that adds no
    clip in a round has no share there.
    """
    rows = []
    for index, budget, here in _rounds(runs):
        shares: dict[str, list[dict[str, object]]] = {value: [] for value in values}
        pools: dict[str, list[dict[str, object]]] = {value: [] for value in values}
        drawn: dict[str, dict[str, list[np.ndarray]]] = {value: {} for value in values}
        totals: Counter[str | None] = Counter()
        picks = 0
        for run, new, pool in here:
            counts = Counter(group.get(utt) for utt in new)
            there = Counter(group.get(utt) for utt in pool)
            totals.update(counts)
            picks += len(new)
            for value in values:
                key = {"fold": run.fold, "seed": run.seed}
                shares[value].append(key | {"value": counts[value] / len(new)})
                pools[value].append(key | {"value": there[value] / len(pool)})
                lots = rng("inside", name, run.fold, run.seed, index, value).hypergeometric(
                    there[value], len(pool) - there[value], len(new), size=DRAWS
                )
                drawn[value].setdefault(run.fold, []).append(lots / len(new))
        for value in values:
            summary = summarise(pd.DataFrame(shares[value]))
            by_fold = [np.mean(one, axis=0) for one in drawn[value].values()]
            low, high = np.quantile(np.mean(by_fold, axis=0), BAND, method="inverted_cdf")
            rows.append(
                {"value": value, "round": index, "budget": budget}
                | {"picks": picks, "count": totals[value]}
                | {key: summary[key] for key in SUMMARY}
                | {"pool": summarise(pd.DataFrame(pools[value]))["mean"]}
                | {"band_low": float(low), "band_high": float(high)}
            )
    return _frame(rows)


def answered_table(runs: Sequence[Run], classes: Sequence[str]) -> pd.DataFrame:
    """Return `share_table` of the classes that annotators answered, where nobody knows the pool's.

    `pool`, `band_low` and `band_high` are missing.
    """
    rows = []
    for index, budget, here in _rounds(runs):
        labels = []
        for run, _, _ in here:
            own = next(one for one in run.rounds if one.index == index)
            labels.append((run, Counter(own.new["label"])))
        for value in classes:
            shares = [
                {"fold": run.fold, "seed": run.seed, "value": counts[value] / counts.total()}
                for run, counts in labels
            ]
            summary = summarise(pd.DataFrame(shares))
            rows.append(
                {"value": value, "round": index, "budget": budget}
                | {"picks": sum(counts.total() for _, counts in labels)}
                | {"count": sum(counts[value] for _, counts in labels)}
                | {key: summary[key] for key in SUMMARY}
                | dict.fromkeys(("pool", "band_low", "band_high"))
            )
    return _frame(rows)


def _frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    columns = ["value", "round", "budget", "picks", "count", *SUMMARY]
    frame = pd.DataFrame(rows, columns=[*columns, "pool", "band_low", "band_high"])
    numbers = ["mean", "ci_low", "ci_high", "pool", "band_low", "band_high"]
    frame[numbers] = frame[numbers].astype(float)
    return frame


def _rounds(runs: Sequence[Run]) -> list[tuple[int, float, list[tuple[Run, list[str], list[str]]]]]:
    """Return (index, budget, [(run, new clips, clips it could pick)]) of every round."""
    found: dict[int, tuple[float, list[tuple[Run, list[str], list[str]]]]] = {}
    for run in runs:
        labelled: set[str] = set()
        for one in run.rounds:
            new = list(one.new["utt"])
            pool = [utt for utt in run.train if utt not in labelled]
            labelled |= set(new)
            if new:
                found.setdefault(one.index, (one.budget, []))[1].append((run, new, pool))
    return [(index, *found[index]) for index in sorted(found)]
