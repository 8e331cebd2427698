"""Reading the finished rounds for the page about them, and their stopping criteria."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.core.metrics import predicted_labels
from after_ser.run.atomic import AGAIN, read_json, read_tsv
from after_ser.select.budget import labelled_count
from after_ser.studies.annotation import stopping
from after_ser.studies.annotation.stopping import Criterion


@dataclass(frozen=True)
class FinishedRound:
    """One round: how many clips were labelled, and its model's predictions for val and pool.

    val:  utt, label, predicted
    pool: index utt; predicted, p_<class>…: the clips that nobody has labelled
    """

    index: int
    labelled: int
    n_train: int
    val: pd.DataFrame
    pool: pd.DataFrame


def read_round(folder: str | Path, classes: Sequence[str]) -> FinishedRound:
    """Read metrics.json, predictions.tsv and pool.tsv of a round's folder.

    Raises InputError if one is missing, cut off, or of another round than the others.
    """
    folder = Path(folder)
    metrics = read_json(folder / "metrics.json")
    probs = tuple(f"p_{name}" for name in classes)
    predictions = read_tsv(folder / "predictions.tsv", probs, ("utt", "split", "label"))
    val = predictions[predictions["split"] == "val"]
    pool = read_tsv(folder / "pool.tsv", probs, ("utt",))
    rest = metrics["n_train"] - metrics["labelled"]
    for name, count, expected in (
        ("predictions.tsv", len(val), metrics["val"]["n"]),
        ("pool.tsv", len(pool), rest),
    ):
        if count != expected:
            raise InputError(
                f"{folder / name}: {count} clips of val or the pool; expected {expected} as in "
                f"{folder / 'metrics.json'}; {AGAIN}"
            )
    return FinishedRound(
        index=int(metrics["round"]),
        labelled=int(metrics["labelled"]),
        n_train=int(metrics["n_train"]),
        val=_with_predicted(val, probs, classes)[["utt", "label", "predicted"]],
        pool=_with_predicted(pool, probs, classes).set_index("utt"),
    )


def planned_labels(
    metrics: Mapping[str, Any], fraction: float, answers: Mapping[str, Any] | None
) -> int:
    """Return how many clips are labelled after a next round of `fraction`.

    metrics: of the last round; answers: its answers.json if people are asked. Labels that were
    brought along come on top of the budget, and clips that were left out no longer count.
    """
    given = int(answers["given"]) if answers else 0
    out = len(answers["left_out"]) if answers else 0
    return given + labelled_count(fraction, int(metrics["n_train"]) - given - out)


def _with_predicted(
    frame: pd.DataFrame, probs: Sequence[str], classes: Sequence[str]
) -> pd.DataFrame:
    predicted = predicted_labels(frame[list(probs)].to_numpy(dtype=float), classes)
    return frame.assign(predicted=pd.Series(predicted, index=frame.index, dtype=object))


def criteria(rounds: Sequence[FinishedRound], ua: Sequence[float]) -> dict[str, Criterion]:
    """Return every stopping criterion by name, from all rounds and their val UA.

    Two rounds are compared on the clips that are in both pools: those nobody has labelled by the
    later one.
    """
    pairs = [_both(before, now) for before, now in zip(rounds, rounds[1:], strict=False)]
    compared: dict[str, list[Any]] = {"change": [None], "kappa": [None]}
    for before, now in pairs:
        few = not len(now)
        compared["change"].append(None if few else stopping.classification_change(before, now))
        compared["kappa"].append(None if few else stopping.agreement(before, now))
    entropies = [
        stopping.overall_uncertainty(each.pool.filter(regex="^p_").to_numpy(dtype=float))
        if len(each.pool)
        else None
        for each in rounds
    ]
    return {
        "classification change": stopping.change_stops(compared["change"]),
        "overall uncertainty": stopping.uncertainty_stops(entropies),
        "stabilising predictions": stopping.stability_stops(compared["kappa"]),
        "validation plateau": stopping.plateau_stops(ua),
    }


def _both(before: FinishedRound, now: FinishedRound) -> tuple[list[str], list[str]]:
    shared = [utt for utt in now.pool.index if utt in before.pool.index]
    return (
        before.pool.loc[shared, "predicted"].tolist(),
        now.pool.loc[shared, "predicted"].tolist(),
    )
