"""How many useless clips each arm picked: near-duplicates, foreign clips, wrong labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.judge import grid
from after_ser.judge.gather import KEYS
from after_ser.run.atomic import read_tsv
from after_ser.select.oracle import read_answers

KINDS = ("near-duplicate", "foreign", "mislabelled")
POOL = "pool"
COLUMNS = [*KEYS, "picks", *KINDS, *(f"{POOL} {kind}" for kind in KINDS)]


def redundant(picks: list[str], source: Mapping[str, str]) -> int:
    """Return how many picks repeat an earlier one: its near-duplicate, or the clip it is one of."""
    chosen = [source.get(utt, utt) for utt in picks]
    return len(chosen) - len(set(chosen))


def shares(
    labelled: pd.DataFrame,
    train: list[str],
    injected: pd.DataFrame,
    truth: Mapping[str, str],
    answers: Mapping[str, str],
) -> dict[str, float]:
    """Return the shares (0..1) of every kind among the labelled clips, and in the whole pool.

    labelled: utt, label, everything up to a round, initial set included; train: the fold's train
    clips, from which was picked; injected: utt, kind, source; truth, answers: clip to its label in
    the manifest and to what the annotators say. A near-duplicate counts where its source, or the
    source where its near-duplicate, is among the picks too: one of the two was enough.
    """
    near = injected[injected["kind"] == "duplicate"]
    source = dict(zip(near["utt"], near["source"], strict=True))
    foreign = set(injected.loc[injected["kind"] == "foreign", "utt"])
    picks = list(labelled["utt"])
    given = dict(zip(labelled["utt"], labelled["label"], strict=True))
    found = {"picks": float(len(picks))}
    for prefix, clips, label in (("", picks, given), (f"{POOL} ", train, answers)):
        counts = (
            redundant(clips, source),
            sum(utt in foreign for utt in clips),
            sum(label[utt] != truth[utt] for utt in clips),
        )
        found |= {
            f"{prefix}{kind}": count / len(clips) for kind, count in zip(KINDS, counts, strict=True)
        }
    return found


def gather_outliers(config: Mapping[str, Any]) -> pd.DataFrame:
    """Return COLUMNS, a row per arm, fold, seed and budget of `tables.outliers`.

    Raises InputError where there is nothing to look for.
    """
    rows = []
    for cell in grid.outlier_cells(dict(config)):
        fold = read_tsv(cell.fold_table)
        injected = pd.DataFrame(columns=["utt", "kind", "source"])
        if "inject" in config["datasets"][cell.dataset]:
            injected = read_tsv(cell.injected)
        oracle = config["protocols"][cell.protocol]["oracle"]
        answers = read_answers(cell.manifest, config["classes"], oracle, cell.dataset)
        found = shares(
            read_tsv(cell.labelled),
            list(fold.loc[fold["split"] == "train", "utt"]),
            injected,
            read_tsv(cell.manifest).set_index("utt")["label"].to_dict(),
            answers.labels,
        )
        key = {name: getattr(cell, name) for name in KEYS}
        rows.append(key | {"fold": str(cell.fold), "seed": str(cell.seed)} | found)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    if not any((frame[f"{POOL} {kind}"] > 0).any() for kind in KINDS):
        raise InputError(
            "tables.outliers: its pool has no injected or mislabelled clip; expected a dataset "
            "with inject, or a protocol whose oracle errs"
        )
    return frame
