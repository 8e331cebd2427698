"""A made-up run for the tests of reports: a config, and scores and times of its cells."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from snakemake.iocontainers import Namedlist
from workflow_runs import REPO, script

from after_ser.judge.bootstrap import COUNTS
from after_ser.judge.gather import SCORES, TIMES

BUDGETS = [0.05, 0.1, 0.2, 0.4, 1.0]


def run_script(rule: str, source: dict[str, Any], out: dict[str, Any], **wildcards: str) -> None:
    """Run the script of a rule on these inputs and outputs."""
    given = {"input": Namedlist(fromdict=source), "output": Namedlist(fromdict=out)}
    name = rule if (REPO / f"workflow/scripts/{rule}.py").exists() else "report"
    main = script(name).main
    main(SimpleNamespace(**given, rule=rule, wildcards=SimpleNamespace(**wildcards)))


def arm(label: str, start: str, strategy: str, init: str = "kmeans") -> dict[str, Any]:
    schedule = "oneshot" if strategy == "random" else "iterative"
    settings = {"label": label, "start": start, "init": init, "strategy": strategy}
    return settings | {"schedule": schedule, "protocol": "paper"}


def config(folds: int = 3, synthetic: bool = True) -> dict[str, Any]:
    origin = {"synthetic": {"clips": 100}} if synthetic else {"root": "x"}
    columns = {"FT": "ft", "TAPT+FT": "tapt-ft", "FT entropy": "ft-al", "AFTER": "after"}
    return {
        "run": "demo",
        "note": "",
        "classes": ["anger", "neutral", "sad", "happy"],
        "backbone": "small",
        "backbones": {"small": {"scratch": {}}},
        "corpora": {"c": {"layout": "emodb"} | origin, "e": {"layout": "ravdess"} | origin},
        "datasets": {
            "merged": {"target": "c", "extra": ["e"], "folds": {"by": "session", "groups": 5}}
        },
        "folds": list(range(1, folds + 1)),
        "seeds": [0, 1],
        "budget": BUDGETS,
        "tapt": {"tapt": {"objective": "eq1+eq2", "seed_per_run": False}},
        "protocols": {"paper": {"warm_start": True}},
        "arms": {
            "ft": arm("FT", "pretrained", "random"),
            "tapt-ft": arm("TAPT+FT", "tapt", "random"),
            "ft-al": arm("FT+entropy", "pretrained", "entropy"),
            "after": arm("AFTER & co", "tapt", "entropy"),
            "after-random": arm("entropy + random", "tapt", "entropy", "random"),
        },
        "tables": {
            "table1": {"dataset": "merged"},
            "table2": {"dataset": "merged", "arm": "after", "budgets": BUDGETS},
            "table4": {"dataset": "merged", "budgets": BUDGETS, "columns": columns},
            "comparisons": {
                "dataset": "merged",
                "reference": "tapt-ft",
                "arms": ["after", "after-random"],
                "budgets": [0.1, 0.2, 1.0],
            },
            "learning": {
                "dataset": "merged",
                "random": "tapt-ft",
                "arms": ["after", "after-random"],
                "budgets": BUDGETS,
            },
            "penalty": {
                "dataset": "merged",
                "arms": ["tapt-ft", "after", "after-random"],
                "budgets": [0.1, 0.2, 1.0],
            },
        },
        "figures": {
            "figure2": {"dataset": "merged", "arms": ["after", "after-random"], "budgets": BUDGETS},
            "figure3": {
                "dataset": "merged",
                "bars": {
                    "FT": {"arm": "ft", "budget": 1.0},
                    "TAPT+FT+AL": {"arm": "after", "budget": 0.3},
                },
                "curve": {"arm": "after", "budgets": BUDGETS},
            },
        },
    }


def frames(settings: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (scores, times) as `judge.cells.read_cells` would read them."""
    noise = np.random.default_rng(0)
    scores, times = [], []
    runs = itertools.product(settings["arms"].items(), settings["folds"], settings["seeds"])
    for (name, one), fold, seed in runs:
        spent = {"tapt_s": 600.0 if one["start"] == "tapt" else 0.0, "latents_s": 12.0}
        spent |= {"initial_s": 3.0, "query_s": 0.0, "fit_s": 0.0}
        for index, budget in enumerate(settings["budget"]):
            key = {"arm": name, "label": one["label"], "split": "paper", "protocol": "paper"}
            key |= {"backbone": "small", "start": one["start"], "dataset": "merged"}
            key |= {"fold": str(fold), "init": one["init"], "seed": str(seed)}
            key |= {"strategy": one["strategy"], "schedule": one["schedule"]}
            key |= {"round": index, "budget": budget}
            ua = 0.5 + 0.2 * budget + 0.02 * fold + noise.normal(0, 0.01)
            ua += 0.1 * (one["start"] == "tapt") + 0.05 * (one["strategy"] == "entropy")
            scores.append(
                key
                | {"labelled": round(300 * budget), "n_train": 300, "val_labels": 30 + fold}
                | {"ua": ua, "wa": ua - 0.02, "macro_f1": ua - 0.03, "best_epoch": 3, "epochs": 9}
            )
            fit = 60.0 * (1 + budget) + noise.normal(0, 1)
            if one["schedule"] == "iterative":
                spent["fit_s"] += fit
                spent["query_s"] += 4.0 * (index > 0)
            else:
                spent["fit_s"] = fit
            total = sum(spent.values())
            times.append(
                key | spent | {"device": "CPU", "total_s": total, "compute_total_s": 0.9 * total}
            )
    return pd.DataFrame(scores)[SCORES], pd.DataFrame(times)[TIMES]


def speaker_counts(settings: dict[str, Any], speakers: int = 2) -> pd.DataFrame:
    """Return what `judge.bootstrap.gather_counts` would: 20 clips per speaker and class."""
    noise = np.random.default_rng(1)
    rows = []
    cells = itertools.product(
        settings["arms"], settings["budget"], settings["folds"], settings["seeds"]
    )
    for name, budget, fold, seed in cells:
        right = 0.5 + 0.1 * (settings["arms"][name]["strategy"] == "entropy")
        for speaker, label in itertools.product(range(speakers), settings["classes"]):
            correct = noise.binomial(20, right)
            who = f"s{fold}{speaker}"
            rows.append((name, budget, str(fold), str(seed), who, label, 20, correct))
    return pd.DataFrame(rows, columns=["arm", "budget", *COUNTS])
