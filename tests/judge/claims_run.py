"""A made-up run in which every claim of the paper holds, or is reversed, or drowns in noise."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from after_ser.judge.claims.evidence import Evidence
from after_ser.judge.claims.model import NotTestable
from after_ser.judge.claims.registry import CLAIMS
from after_ser.judge.claims.verdict import judge
from after_ser.judge.gather import SCORES, TIMES
from after_ser.judge.tables import table
from after_ser.studies.outliers.picks import KINDS, POOL
from after_ser.studies.outliers.table import outliers_table

BUDGETS = [0.01, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0]
STRATEGIES = ("entropy", "least_confidence", "margin", "alps", "batchbald")
TESTABLE = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14)  # with scores and times of such a run
Gain = Callable[[dict[str, Any], str, float], float]


def arm(start: str, strategy: str, init: str = "kmeans", schedule: str = "iterative") -> dict:
    settings = {"start": start, "strategy": strategy, "init": init, "schedule": schedule}
    return settings | {"label": f"{start} {strategy} {init}", "protocol": "paper"}


def arms() -> dict[str, dict[str, Any]]:
    """Arms under ids that say nothing, because nothing may depend on them."""
    every = [
        arm("tapt", strategy, init) for strategy in STRATEGIES for init in ("kmeans", "random")
    ]
    every += [arm("pretrained", "entropy"), arm("pretrained", "random", "random")]
    every += [arm(start, "random", schedule="oneshot") for start in ("pretrained", "tapt")]
    return {f"a{number}": one for number, one in enumerate(every)}


def config(folds: int = 5, seeds: int = 1) -> dict[str, Any]:
    cut = {"by": "session", "groups": 5}
    return {
        "run": "made-up",
        "note": "",
        "classes": ["anger", "neutral", "sad", "happy"],
        "backbone": "small",
        "backbones": {"small": {"scratch": {}}},
        "corpora": {"c": {"layout": "emodb", "root": "x"}, "e": {"layout": "ravdess", "root": "x"}},
        "datasets": {
            "big": {"target": "c", "extra": ["e"], "folds": cut},
            "other": {"target": "e", "extra": [], "folds": cut},
            "alone": {"target": "c", "extra": [], "folds": cut},
        },
        "folds": list(range(1, folds + 1)),
        "seeds": list(range(seeds)),
        "budget": BUDGETS,
        "tapt": {"plain": {"objective": "wav2vec2"}, "tapt": {"objective": "eq1+eq2"}},
        "protocols": {"paper": {}},
        "arms": arms(),
        "tables": {"claims": {"dataset": "big", "protocol": "paper"}},
        "figures": {},
    }


def as_claimed(settings: dict[str, Any], dataset: str, budget: float) -> float:
    """Return points of UA that make every claim on scores true."""
    points = 60.0 + 3.0 * (dataset == "big") + 8.0 * (settings["start"] == "tapt")
    points += {0.6: 6.0, 0.2: 4.5}.get(budget, 4.5 if budget > 0.2 else 20 * budget)
    if settings["strategy"] == "random":
        return points
    points += 4.0 + 3.0 * (settings["init"] == "kmeans")
    return points + 2.0 * (settings["strategy"] == "entropy")


def reversed_claims(settings: dict[str, Any], dataset: str, budget: float) -> float:
    """Return points of UA that make every claim on scores false."""
    level = 10.0 if budget >= 0.8 else 0.0
    return 140.0 - as_claimed(settings, dataset, budget) + level - 10.0 * (budget == 0.2)


def nothing(settings: dict[str, Any], dataset: str, budget: float) -> float:
    return 60.0


def minutes(settings: dict[str, Any], budget: float) -> float:
    """Return a time that is linear and at 20 % a fifth of that at 100 %, of every arm."""
    return 100 * budget


def slow_start(settings: dict[str, Any], budget: float) -> float:
    """Return a time that is not linear, and saves next to nothing."""
    if settings["schedule"] == "oneshot":
        return 20.0
    return 100.0 * budget**0.1


def made_up(
    settings: dict[str, Any],
    gain: Gain = as_claimed,
    time: Callable[[dict[str, Any], float], float] = minutes,
    noise: float = 0.05,
    time_noise: float = 0.001,
    seed: int = 0,
) -> Evidence:
    """Return the evidence of a run whose arms score `gain`, with `noise` points between folds.

    One-shot arms have the initial set "oneshot", as in scores.tsv.
    """
    draws = np.random.default_rng(seed)
    scores, times = [], []
    runs = itertools.product(
        settings["arms"].items(), ("big", "alone"), settings["folds"], settings["seeds"]
    )
    for (name, one), dataset, fold, run_seed in runs:
        for index, budget in enumerate(settings["budget"]):
            key = {"arm": name, "split": "paper", "backbone": "small", "dataset": dataset}
            key |= {field: one[field] for field in ("label", "start", "strategy", "schedule")}
            key |= {"protocol": one["protocol"], "fold": str(fold), "seed": str(run_seed)}
            key |= {"init": "oneshot" if one["schedule"] == "oneshot" else one["init"]}
            key |= {"round": index, "budget": budget}
            ua = gain(one, dataset, budget) + fold + draws.normal(0, noise)
            measured = {"labelled": round(300 * budget), "n_train": 300, "val_labels": 30}
            measured |= {"ua": ua / 100, "wa": ua / 100 - 0.01, "macro_f1": ua / 100}
            scores.append(key | measured | {"best_epoch": 3, "epochs": 9})
            total = 60 * time(one, budget) * np.exp(draws.normal(0, time_noise))
            times.append(key | {"device": "CPU", "total_s": total, "compute_total_s": total})
    return Evidence(
        settings,
        pd.DataFrame(scores, columns=SCORES),
        pd.DataFrame(times, columns=TIMES),
    )


def judged(number: int, evidence: Evidence):
    """Judge one claim; the reason alone where it cannot be measured."""
    try:
        return judge(CLAIMS[number - 1].measure(evidence))
    except NotTestable as reason:
        return str(reason)


def outliers(evidence: Evidence, mean: float, kinds=("foreign", "mislabelled"), folds=5):
    """Give the run its table of outliers; entropy's picks hold `mean` points more than random's.

    Another strategy holds 5 points more, and at 100 % entropy 50 more: neither may count.
    """
    arms = evidence.config["arms"] | {"drawn": arm("tapt", "random") | {"label": "drawn"}}
    wanted = {"dataset": "big", "arms": ["a0", "a2"], "random": "drawn", "budgets": [0.2, 1.0]}
    config = evidence.config | {"arms": arms}
    config["tables"] = evidence.config["tables"] | {"outliers": wanted}
    draws = np.random.default_rng(1)
    runs = []
    for name, budget, fold in itertools.product(("a0", "a2", "drawn"), (0.2, 1.0), range(folds)):
        more = {"a0": mean if budget == 0.2 else 50.0, "a2": 5.0, "drawn": 0.0}[name]
        row = {"arm": name, "budget": budget, "fold": str(fold), "seed": "0"}
        for kind in KINDS:
            share = 0.1 + (more + draws.normal(0, 0.2)) / 100
            row |= {kind: share, f"{POOL} {kind}": 0.1 if kind in kinds else 0.0}
        runs.append(row)
    return replace(evidence, config=config, outliers=outliers_table(config, pd.DataFrame(runs)))


def as_read(evidence: Evidence, folder: Path) -> Evidence:
    """Write the table of outliers as its rule does, and read it back."""
    forms = [folder / f"outliers.{form}" for form in ("tsv", "md", "tex", "html")]
    evidence.outliers.write(*forms)
    return replace(evidence, outliers=table.read(forms[0]))
