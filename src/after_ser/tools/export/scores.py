"""How good the models of one arm and round are, by fold and by group of speakers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from after_ser.core.cells import Cell
from after_ser.core.metrics import score
from after_ser.core.seeding import rng
from after_ser.judge.statistics import LEVEL
from after_ser.tools.export.choose import read_predictions

RESAMPLES = 1999
UNKNOWN = "not stated"


def scored(
    cells: Sequence[Cell], manifest: pd.DataFrame, classes: list[str], split: str
) -> pd.DataFrame:
    """Return fold, seed, utt, speaker, gender, label, predicted of the clips of all cells.

    split: whose clips, test or val. An unknown speaker is "".
    """
    who = manifest.set_index("utt")[["speaker", "gender"]]
    parts = []
    for cell in cells:
        table, probs = read_predictions(cell, classes, split)
        table["predicted"] = [classes[i] for i in probs.argmax(axis=1)]
        table.insert(0, "fold", cell.fold)
        table.insert(1, "seed", cell.seed)
        parts.append(table.join(who, on="utt"))
    return pd.concat(parts, ignore_index=True)


def by_fold(clips: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """Return fold, speakers, clips, seeds, and ua, wa with `_low` and `_high`, as fractions.

    `clips` is of `scored`. Seeds are averaged. The interval (95 %, percentiles) is of drawing the
    fold's clips again: these speakers, other sentences. It says nothing about other speakers.
    """
    rows = []
    for fold, rows_of_fold in clips.groupby("fold", sort=True):
        by_seed = [rows.set_index("utt") for _, rows in rows_of_fold.groupby("seed", sort=True)]
        first = by_seed[0]
        truth = np.array([classes.index(label) for label in first["label"]])
        hits = [(rows["label"] == rows["predicted"]).loc[first.index] for rows in by_seed]
        right = np.stack([row.to_numpy(float) for row in hits])
        row: dict[str, Any] = {
            "fold": fold,
            "speakers": _speakers(first),
            "clips": len(first),
            "seeds": len(by_seed),
        }
        for name, value in (("ua", _ua(right, truth, len(classes))), ("wa", _wa(right))):
            row[name] = float(value(np.arange(len(first))[None])[0])
            row[f"{name}_low"], row[f"{name}_high"] = _interval(value, len(first), name, int(fold))
        rows.append(row)
    return pd.DataFrame(rows)


def _speakers(clips: pd.DataFrame) -> int:
    return len(set(clips["speaker"]) - {""})


def _wa(right: np.ndarray) -> Any:
    return lambda drawn: right[:, drawn].mean(axis=(0, -1))


def _ua(right: np.ndarray, truth: np.ndarray, count: int) -> Any:
    def ua(drawn: np.ndarray) -> np.ndarray:
        true = truth[drawn]  # [draws, clips]
        recalls = np.full((len(right), len(drawn), count), np.nan)
        for index in range(count):
            count_of = (true == index).sum(axis=-1)
            hits = (right[:, drawn] * (true == index)).sum(axis=-1)
            recalls[..., index] = np.divide(
                hits, count_of, out=np.full(hits.shape, np.nan), where=count_of > 0
            )
        value: np.ndarray = np.nanmean(recalls, axis=-1).mean(axis=0)
        return value

    return ua


def _interval(value: Any, clips: int, name: str, fold: int) -> tuple[float, float]:
    if clips < 2:
        return float("nan"), float("nan")
    interval = stats.bootstrap(
        (np.arange(clips),),
        lambda drawn, axis=-1: value(np.atleast_2d(drawn.astype(int))),
        n_resamples=RESAMPLES,
        batch=200,
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=rng("export", name, fold),
    ).confidence_interval
    return float(np.squeeze(interval.low)), float(np.squeeze(interval.high))


def by_group(clips: pd.DataFrame, classes: list[str]) -> tuple[str, pd.DataFrame]:
    """Return what the groups are, and group, speakers, clips, ua, wa (fractions, seeds averaged).

    Groups are genders where the manifest states any. Otherwise every speaker is one, by number
    and not by name: a model card may be published. Clips of nobody known are a group of their
    own.
    """
    if (clips["gender"] != "").any():
        kind, group = "gender", clips["gender"].replace("", UNKNOWN)
    else:
        names = sorted(set(clips["speaker"]) - {""})
        numbers = {name: f"speaker {i}" for i, name in enumerate(names, start=1)}
        numbers |= {"": UNKNOWN} if (clips["speaker"] == "").any() else {}
        kind, group = "speaker", clips["speaker"].map(numbers)
    order = dict.fromkeys(group if kind == "gender" else numbers.values())
    rows = []
    for name in sorted(order) if kind == "gender" else order:
        members = clips[group == name]
        by_seed = [
            score(list(rows["label"]), list(rows["predicted"]), classes)
            for _, rows in members.groupby("seed", sort=True)
        ]
        rows.append(
            {
                "group": name,
                "speakers": _speakers(members),
                "clips": members["utt"].nunique(),
                "ua": float(np.mean([seed["ua"] for seed in by_seed])),
                "wa": float(np.mean([seed["wa"] for seed in by_seed])),
            }
        )
    return kind, pd.DataFrame(rows)


def confusion(clips: pd.DataFrame, classes: list[str]) -> np.ndarray:
    """Return counts [true, predicted] of rows of `scored`."""
    counts = score(list(clips["label"]), list(clips["predicted"]), classes)["confusion"]
    return np.array(counts, dtype=int)
