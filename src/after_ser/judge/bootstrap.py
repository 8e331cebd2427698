"""Bootstrap intervals of UA over speakers, from saved predictions.

Clips of one speaker resemble each other, so speakers and not clips are resampled. Every target
speaker is tested in exactly one fold, so the folds' predictions are pooled: an interval says how
UA would vary with other speakers, while fold means show how it varies with other folds. It
ignores that each fold's model was trained on the other folds' speakers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from after_ser.core.errors import InputError
from after_ser.core.metrics import predicted_labels
from after_ser.core.seeding import rng
from after_ser.judge.statistics import LEVEL
from after_ser.run.atomic import AGAIN, read_json, read_tsv

RESAMPLES = 9999
# Below this, resampling the few speakers there are says little about speakers in general.
HANDFUL = 5
# Below some tens of clusters percentile intervals are known to be too narrow (Cameron, Gelbach
# and Miller, "Bootstrap-Based Improvements for Inference with Clustered Errors", 2008).
FEW = 30
COUNTS = ["fold", "seed", "speaker", "label", "n", "correct"]


def read_speakers(manifest: str | Path) -> dict[str, str]:
    """Return the speaker of every clip of a dataset's manifest.tsv."""
    table = read_tsv(manifest)
    if "speaker" not in table or "utt" not in table:
        raise InputError(f"{manifest}: column utt or speaker missing, expected a manifest")
    return dict(zip(table["utt"], table["speaker"], strict=True))


def recall_counts(
    predictions: str | Path, speakers: Mapping[str, str], classes: Sequence[str]
) -> pd.DataFrame:
    """Return [speaker, label, n, correct] of the test clips of one predictions.tsv.

    n counts the speaker's clips of the true class `label`, correct those predicted as it: all
    that UA needs. Raises InputError for a missing column, a clip of no known speaker, and as
    `predicted_labels` does.
    """
    numeric = [f"p_{name}" for name in classes]
    table = read_tsv(predictions)
    missing = [name for name in ("utt", "split", "label", *numeric) if name not in table]
    if missing:
        raise InputError(f"{predictions}: column {missing[0]} missing, expected predictions")
    test = table[table["split"] == "test"]
    unknown = [utt for utt in test["utt"] if not speakers.get(utt)]
    if unknown:
        raise InputError(
            f"{predictions}: clip {unknown[0]} has no speaker in the manifest, expected one"
        )
    probs = test[numeric].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    predicted = predicted_labels(probs, classes)
    clips = pd.DataFrame(
        {
            "speaker": [speakers[utt] for utt in test["utt"]],
            "label": test["label"].to_numpy(),
            "correct": test["label"].to_numpy() == np.asarray(predicted, dtype=object),
        }
    )
    groups = clips.groupby(["speaker", "label"], sort=True)["correct"]
    return groups.agg(n="size", correct="sum").reset_index()


def gather_counts(
    cells: Iterable[Any], speakers: Mapping[str, str], classes: Sequence[str]
) -> pd.DataFrame:
    """Return [arm, budget, *COUNTS] of grid cells, read from their predictions.tsv.

    A file that several cells share (round 0) is read once. Fold and seed are text, as in scores.
    """
    read: dict[str, pd.DataFrame] = {}
    parts = []
    for cell in cells:
        if cell.predictions not in read:
            read[cell.predictions] = recall_counts(cell.predictions, speakers, classes)
            _expect_all(cell.predictions, int(read[cell.predictions]["n"].sum()))
        key = {"arm": cell.arm, "budget": cell.budget}
        key |= {"fold": str(cell.fold), "seed": str(cell.seed)}
        parts.append(read[cell.predictions].assign(**key))
    columns = ["arm", "budget", *COUNTS]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _expect_all(predictions: str | Path, found: int) -> None:
    """Refuse predictions that were cut between two lines: metrics.json knows their number."""
    metrics = Path(predictions).with_name("metrics.json")
    expected = read_json(metrics)["test"].get("n", found) if metrics.exists() else found
    if found != expected:
        raise InputError(
            f"{predictions}: {found} test clips; expected {expected} as in {metrics}; {AGAIN}"
        )


def bootstrap_ua(counts: pd.DataFrame, *name: str | int) -> dict[str, Any]:
    """Return UA (fraction) over all folds' test clips, with its bootstrap interval.

    `counts` holds COUNTS (`recall_counts` of every fold and seed); `name` names the random
    source. UA is computed per seed on the clips of all folds together, then averaged over
    seeds; it is not the mean of the folds' UAs. A resample without a class averages over the
    classes it has, as UA does. Interval: 95 %, percentiles of RESAMPLES draws of as many
    speakers as there are, with replacement. Keys: mean, ci_low, ci_high, n_speakers, n_seeds
    and note, which says where the interval is not trustworthy or why there is none.
    Raises ValueError where a speaker is tested in two folds or a seed lacks a fold.
    """
    return _bootstrap([counts], name)


def bootstrap_ua_difference(
    first: pd.DataFrame, second: pd.DataFrame, *name: str | int
) -> dict[str, Any]:
    """Return UA of first minus UA of second, as `bootstrap_ua` does.

    Both are evaluated on the same drawn speakers and seeds. Raises ValueError also where the
    two have other folds, seeds or test clips, since then they are no pair.
    """
    return _bootstrap([first, second], name)


def _bootstrap(arms: list[pd.DataFrame], name: tuple[str | int, ...]) -> dict[str, Any]:
    seeds = sorted(set(arms[0]["seed"]))
    speakers = sorted(set(arms[0]["speaker"]))
    labels = sorted(set(arms[0]["label"]))
    signs = [1.0, -1.0][: len(arms)]
    n, correct = zip(*(_arrays(arm, seeds, speakers, labels) for arm in arms), strict=True)
    if any(not np.array_equal(n[0], other) for other in n[1:]):
        raise ValueError("the two have not the same test clips, so they are no pair")

    def difference(drawn: np.ndarray, axis: int = -1) -> np.ndarray:
        # drawn [..., speakers]: positions, which scipy may hand back as floats
        drawn = drawn.astype(int)
        clips = n[0][:, drawn].sum(axis=-2)
        value = np.zeros(drawn.shape[:-1])
        for sign, right in zip(signs, correct, strict=True):
            hits = right[:, drawn].sum(axis=-2)
            recall = np.divide(hits, clips, out=np.full(clips.shape, np.nan), where=clips > 0)
            value = value + sign * np.nanmean(recall, axis=-1).mean(axis=0)
        return value

    positions = np.arange(len(speakers))
    result: dict[str, Any] = {
        "mean": float(difference(positions)) if len(speakers) else None,
        "ci_low": None,
        "ci_high": None,
        "n_speakers": len(speakers),
        "n_seeds": len(seeds),
    }
    if len(speakers) < 2:
        number = "one speaker" if speakers else "no speaker"
        return result | {"note": f"{number}: no bootstrap interval over speakers"}
    drawn = stats.bootstrap(
        (positions,),
        difference,
        n_resamples=RESAMPLES,
        batch=500,  # bounds memory for many speakers and seeds
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=rng("bootstrap", *name),
    ).confidence_interval
    note = ""
    if len(speakers) < HANDFUL:
        note = f"{len(speakers)} speakers: the interval over speakers is not trustworthy"
    elif len(speakers) < FEW:
        note = f"{len(speakers)} speakers: the interval over speakers tends to be too narrow"
    return result | {"ci_low": float(drawn.low), "ci_high": float(drawn.high), "note": note}


def _arrays(
    counts: pd.DataFrame, seeds: list[str], speakers: list[str], labels: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return n and correct, each [seeds, speakers, labels] float."""
    if counts.duplicated(["fold", "seed", "speaker", "label"]).any():
        raise ValueError("a fold, seed, speaker and label occurs twice: cells were mixed")
    where = counts[["speaker", "fold"]].drop_duplicates()
    if where["speaker"].duplicated().any():
        speaker = where.loc[where["speaker"].duplicated(), "speaker"].iloc[0]
        raise ValueError(f"speaker {speaker} is tested in two folds, expected one")
    runs = counts[["fold", "seed"]].drop_duplicates()
    if len(runs) != counts["fold"].nunique() * counts["seed"].nunique():
        raise ValueError("a seed lacks a fold that another has, expected all folds for each seed")
    strange = (set(counts["seed"]) ^ set(seeds)) | (set(counts["speaker"]) ^ set(speakers))
    if strange or not set(counts["label"]) <= set(labels):
        raise ValueError("the two have not the same seeds, speakers and classes: they are no pair")
    shape = (len(seeds), len(speakers), len(labels))
    place = (
        pd.Index(seeds).get_indexer(counts["seed"]),
        pd.Index(speakers).get_indexer(counts["speaker"]),
        pd.Index(labels).get_indexer(counts["label"]),
    )
    arrays = np.zeros(shape), np.zeros(shape)
    for array, column in zip(arrays, ("n", "correct"), strict=True):
        array[place] = counts[column].to_numpy(dtype=float)
    return arrays
