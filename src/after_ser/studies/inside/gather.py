"""Reading the files of an arm's runs: what was picked when, and what its models make of clips.

A label is read from `labelled.tsv` (what annotators answered) and `predictions.tsv` (val and
test). Labels of the manifest are looked at only where the annotators are simulated: of a clip
that no person has labelled nobody knows the class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from after_ser.core.cells import Cell
from after_ser.core.errors import InputError
from after_ser.data.datasets.tables import read_fold, read_labelled, read_manifest, read_pool
from after_ser.run.atomic import AGAIN, read_array, read_json, read_tsv
from after_ser.studies.inside.plan import runs_of

#: What predicted a clip without having been trained on its label.
SOURCES = ("test", "val", "pool", "picked")
#: The rank of a clip that nobody was asked for, since people had labelled it before the run.
BROUGHT_ALONG = 0


@dataclass(frozen=True)
class Round:
    """One round of one run.

    new: utt, label, rank, score of what it added to the labelled clips, in order of rank;
    labelled: how many there are then; metrics: the parts of metrics.json by split; before: utt and
    p_<class> of the pool that it was picked from, None where no model looked at it or the run
    shows no single clips.
    """

    index: int
    budget: float
    new: pd.DataFrame
    labelled: int
    metrics: Mapping[str, Any]
    before: pd.DataFrame | None = None


@dataclass(frozen=True)
class Run:
    """One fold and seed of an arm.

    train: the clips that could be picked; given: how many clips people had labelled before anything
    was asked, which are not among them; predictions: utt, split, label, p_<class> of the last
    round; pool: what is not labelled after it; features: utt to its mean CNN output, as (utts,
    float32 [N, D]). The last two only in runs that show single clips.
    """

    fold: str
    seed: str
    train: tuple[str, ...]
    rounds: tuple[Round, ...]
    predictions: pd.DataFrame
    pool: pd.DataFrame | None = None
    features: tuple[list[str], np.ndarray] | None = None
    given: int = 0


@dataclass(frozen=True)
class Clips:
    """What is known of a dataset's clips whatever the run: by utt."""

    corpus: Mapping[str, str]
    path: Mapping[str, str]
    seconds: Mapping[str, float]
    truth: Mapping[str, str] | None  # None where people are the annotators


def read_clips(manifest: str | Path, classes: Sequence[str], simulated: bool) -> Clips:
    """Return corpus, audio and, where annotators are simulated, the true class of the clips."""
    table = read_manifest(manifest)
    seconds = pd.to_numeric(table["duration_s"], errors="coerce").fillna(0.0)
    utts, labels = table["utt"], zip(table["utt"], table["label"], strict=True)
    return Clips(
        corpus=dict(zip(utts, table["corpus"], strict=True)),
        path=dict(zip(utts, table["path"], strict=True)),
        seconds=dict(zip(utts, seconds.astype(float), strict=True)),
        truth={u: x for u, x in labels if x in classes} if simulated else None,
    )


def read_runs(
    cells: Iterable[Cell], classes: Sequence[str], detailed: int, root: str | Path = "."
) -> list[Run]:
    """Return the runs of one page, the `detailed` first ones with pools and features.

    The grid's paths are relative to `root`. Raises InputError for files that are missing or cut.
    """
    return [
        _read_run(run, classes, number < detailed, Path(root))
        for number, run in enumerate(runs_of(cells))
    ]


def _read_run(cells: list[Cell], classes: Sequence[str], detailed: bool, root: Path) -> Run:
    last = cells[-1]
    fold = read_fold(root / last.fold_table)
    rounds: list[Round] = []
    known: set[str] = set()
    given: set[str] = set()
    for cell in cells:
        path = root / cell.labelled
        labelled, metrics = read_labelled(path, classes), read_json(root / cell.metrics)
        _expect(path, len(labelled), metrics["labelled"], "clips")
        new = labelled[~labelled["utt"].isin(known)][["utt", "label", "rank", "score"]].copy()
        for column in ("rank", "score"):
            new[column] = pd.to_numeric(new[column], errors="coerce")
        known |= set(new["utt"])
        brought = new["rank"] == BROUGHT_ALONG
        given |= set(new.loc[brought, "utt"])
        new = new[~brought]
        before = None
        if detailed and cell.selection_files is not None:
            before = _read_pool(root / cell.selection_files[0], classes)
        new = new.sort_values("rank", kind="stable").reset_index(drop=True)
        rounds.append(Round(cell.round, cell.budget, new, len(labelled), metrics, before))
    pool = features = None
    if detailed:
        path = root / f"{last.folder}/pool.tsv"
        pool = _read_pool(path, classes)
        counts = rounds[-1].metrics
        _expect(path, len(pool), counts["n_train"] - counts["labelled"], "clips")
        features = read_features(root / last.latents_folder)
    return Run(
        fold=str(last.fold),
        seed=str(last.seed),
        train=tuple(utt for utt in fold.loc[fold["split"] == "train", "utt"] if utt not in given),
        rounds=tuple(rounds),
        predictions=read_predictions(root / last.predictions, classes, rounds[-1].metrics),
        pool=pool,
        features=features,
        given=len(given),
    )


def read_predictions(
    path: Path, classes: Sequence[str], metrics: Mapping[str, Any]
) -> pd.DataFrame:
    """Return predictions.tsv: utt, split, label, p_<class> as numbers; as many as were scored."""
    numbers = tuple(f"p_{name}" for name in classes)
    table = read_tsv(path, numbers, columns=("utt", "split", "label"))
    for split in ("val", "test"):
        expected = (metrics.get(split) or {}).get("n")
        if expected is not None:
            here = (table["split"] == split) & table["label"].isin(list(classes))
            _expect(path, int(here.sum()), expected, f"{split} clips")
    return table


def _read_pool(path: Path, classes: Sequence[str]) -> pd.DataFrame:
    pool = read_pool(path)
    wanted = [f"p_{name}" for name in classes]
    if list(pool.columns) != ["utt", *wanted]:
        raise InputError(f"{path}: columns {', '.join(pool.columns)}; expected utt and {wanted}")
    return pool


def read_features(folder: Path) -> tuple[list[str], np.ndarray]:
    """Return (utts, means) of an extraction: the CNN's output averaged over a clip, [N, D].

    Only the two small files are read; latents.npy may have gigabytes.
    """
    utts = list(read_tsv(folder / "index.tsv", columns=("utt",))["utt"])
    means = read_array(folder / "means.npy")
    if means.ndim != 2 or len(means) != len(utts):
        raise InputError(
            f"{folder}/means.npy: shape {means.shape}; expected a row for each of the "
            f"{len(utts)} clips of index.tsv; {AGAIN}"
        )
    return utts, means


def _expect(path: Path, found: int, expected: int, what: str) -> None:
    """Refuse a file that was cut between two lines: metrics.json knows how many there are."""
    if found != expected:
        raise InputError(
            f"{path}: {found} {what}; expected {expected} as metrics.json says; {AGAIN}"
        )
