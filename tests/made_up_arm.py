"""An arm's files on disk, small enough to compute by hand what its page must show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from after_ser.core.metrics import score
from after_ser.judge.grid import cells
from after_ser.run.atomic import write_json, write_tsv

CLASSES = ["anger", "neutral"]
#: Train clips, the same in both folds: clip -> (corpus, true class).
TRAIN = {
    "one/a": ("one", "anger"),
    "one/b": ("one", "anger"),
    "one/c": ("one", "neutral"),
    "one/d": ("one", "neutral"),
    "two/e": ("two", "neutral"),
    "two/f": ("two", "neutral"),
    "two/g": ("two", "neutral"),
    "two/h": ("two", "anger"),
}
#: Fold -> the clips that each round adds.
PICKS = {1: [["one/a", "one/c"], ["one/b", "two/e"]], 2: [["two/e", "two/f"], ["one/a", "one/b"]]}
#: Fold and split -> clip -> (true class, probability of anger by round).
HELD_OUT = {
    (1, "test"): {"one/t1": ("anger", (0.4, 0.9)), "one/t2": ("neutral", (0.3, 0.8))},
    (2, "test"): {"one/t3": ("anger", (0.6, 0.7)), "one/t4": ("neutral", (0.1, 0.45))},
    (1, "val"): {"one/v1": ("anger", (0.6, 0.2))},
    (2, "val"): {"one/v1": ("anger", (0.6, 0.4))},
}
#: What a model says of a pool clip: the probability of anger, by round.
POOL = (0.3, 0.6)


def config(**inside: Any) -> dict[str, Any]:
    limits = {"runs": 2, "points": 100, "picks": 10, "errors": 10, "embedded": 10}
    return {
        "run": "made-up",
        "note": "",
        "classes": CLASSES,
        "backbone": "small",
        "backbones": {"small": {"scratch": {}}},
        "corpora": {"one": {"layout": "csv", "root": "x"}, "two": {"layout": "csv", "root": "y"}},
        "datasets": {"both": {"target": "one", "extra": ["two"], "folds": {"groups": 2}}},
        "folds": [1, 2],
        "seeds": [0],
        "budget": [0.25, 0.5],
        "tapt": {},
        "protocols": {"paper": {"warm_start": True, "oracle": {"kind": "simulated"}}},
        "arms": {"after": arm("AFTER")},
        "tables": {"table2": {"dataset": "both", "arm": "after", "budgets": [0.25, 0.5]}},
        "figures": {},
        "inside": {"arms": "all"} | limits | inside,
    }


def arm(label: str) -> dict[str, Any]:
    names = {"label": label, "start": "pretrained", "init": "kmeans", "strategy": "entropy"}
    return names | {"schedule": "iterative", "protocol": "paper"}


def write_run(
    root: Path,
    settings: dict[str, Any],
    truth: bool = True,
    tested: bool = True,
    names: dict[str, str] | None = None,
) -> list[Any]:
    """Write every file of the arm below `root`; return its cells.

    truth: whether the manifest has labels of train clips. tested: whether there are test clips.
    names: other names of clips or corpora.
    """
    called = names or {}
    found = list(cells(settings))
    folder = root / found[0].dataset_folder
    held_out = {utt: label for one in HELD_OUT.values() for utt, (label, _) in one.items()}
    known = {utt: (utt.split("/")[0], label) for utt, label in held_out.items()} | TRAIN
    rows = []
    for number, (utt, (corpus, label)) in enumerate(known.items()):
        path = f"results/corpora/{corpus}/audio/{number} 100%#é.flac"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        samples = np.sin(np.arange(16000) * 2 * np.pi * (200 + 20 * number) / 16000) / 4
        soundfile.write(root / path, samples, 16000)
        rows.append(
            {"utt": called.get(utt, utt), "corpus": called.get(corpus, corpus), "path": path}
            | {"speaker": "s", "label": label if truth or utt in held_out else ""}
            | {"duration_s": "1.0", "sha256": "0"}
        )
    write_tsv(folder / "manifest.tsv", pd.DataFrame(rows))
    train = [called.get(utt, utt) for utt in TRAIN]
    for cell in found:
        _write_round(root, cell, called, tested)
        own = [(utt, "train") for utt in train]
        for split in ("val", "test") if tested else ("val",):
            own += [(called.get(u, u), split) for u in HELD_OUT[cell.fold, split]]
        fold = pd.DataFrame(own, columns=["utt", "split"])
        write_tsv(folder / f"fold{cell.fold}.tsv", fold)
        features = root / cell.latents_folder
        features.mkdir(parents=True, exist_ok=True)
        write_tsv(features / "index.tsv", pd.DataFrame({"utt": [row["utt"] for row in rows]}))
        means = np.arange(len(rows) * 3, dtype=np.float32).reshape(-1, 3) ** 1.5
        np.save(features / "means.npy", means)
    return found


def _write_round(root: Path, cell: Any, called: dict[str, str], tested: bool) -> None:
    rounds = PICKS[cell.fold][: cell.round + 1]
    labelled = [
        (called.get(utt, utt), TRAIN[utt][1], index, rank + 1, 0.5)
        for index, picks in enumerate(rounds)
        for rank, utt in enumerate(picks)
    ]
    columns = ["utt", "label", "acquired_in_round", "rank", "score"]
    folder = root / cell.folder
    write_tsv(folder / "labelled.tsv", pd.DataFrame(labelled, columns=columns))
    taken = {utt for picks in rounds for utt in picks}
    pool = [(called.get(utt, utt), POOL[cell.round]) for utt in TRAIN if utt not in taken]
    frame = pd.DataFrame(pool, columns=["utt", "p_anger"])
    write_tsv(folder / "pool.tsv", frame.assign(p_neutral=1 - frame["p_anger"]))
    metrics: dict[str, Any] = {"labelled": len(labelled), "n_train": len(TRAIN)}
    parts = []
    for split in ("val", "test") if tested else ("val",):
        rows = [
            (called.get(utt, utt), split, label, by_round[cell.round])
            for utt, (label, by_round) in HELD_OUT[cell.fold, split].items()
        ]
        part = pd.DataFrame(rows, columns=["utt", "split", "label", "p_anger"])
        part = part.assign(p_neutral=1 - part["p_anger"])
        probs = part[["p_anger", "p_neutral"]].to_numpy()
        metrics[split] = score(list(part["label"]), probs, CLASSES)
        parts.append(part)
    write_tsv(folder / "predictions.tsv", pd.concat(parts))
    write_json(folder / "metrics.json", metrics)
