"""From people's answers to the tables that fits read, and a record of the answers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pandas as pd

from after_ser.core.errors import InputError
from after_ser.select.oracle import answer
from after_ser.studies.annotation.answers import Answer, Answered, read_answered
from after_ser.studies.annotation.places import QUERY, ROOT, folder_of
from after_ser.studies.annotation.queue_csv import read_query
from after_ser.studies.annotation.resolve import OUT, Resolved, resolve_answers
from after_ser.studies.annotation.unscored import given_labels


@dataclass(frozen=True)
class Published:
    """A published query and its answers: `round_index` is -1 for val."""

    asked: str
    utts: list[str]
    answered: Answered
    resolved: Resolved
    classes: list[str]

    @property
    def round_index(self) -> int:
        """Return the number of the round, -1 for val."""
        return int(self.asked.removeprefix("round")) if self.asked.startswith("round") else -1


def read_published(
    run: str, asked: str, classes: Sequence[str], oracle: Mapping[str, Any], root: Path = ROOT
) -> Published:
    """Return one published query with its answers; InputError if a clip still has no answer."""
    answered = read_answered(root / run, classes)
    folder = folder_of(run, asked, root)
    utts = read_query(folder / QUERY)
    resolved = resolve_answers(utts, answered.by_clip, oracle)
    if not resolved.complete:
        raise InputError(
            f"{folder}: {len(resolved.missing)} clips have no answer and {len(resolved.disputed)} "
            "wait for a decision; expected every clip to be answered (give the same command again)"
        )
    return Published(asked, utts, answered, resolved, list(classes))


def answered_round(
    published: Published,
    query: pd.DataFrame,
    *,
    train: Collection[str] = (),
    manifest: str | Path | None = None,
    known: pd.DataFrame | None = None,
    before: Mapping[str, Any] | None = None,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return (labelled.tsv, answers.json) of a round.

    query:    utt, rank, score as text, the clips of the published query (InputError for others).
    known:    labelled.tsv of the round before, `before` its answers.json. In round 0 instead the
              labels that people brought along: those of `train` in `manifest`, with rank 0.
    Clips that were skipped or are unusable are not labelled; answers.json lists them, with those
    of earlier rounds, under left_out.
    """
    resolved = published.resolved
    if set(query["utt"]) != set(published.utts):
        raise InputError(
            f"{published.asked}: the published query has other clips than the run's; expected the "
            "same (was query.tsv changed, or audio removed?)"
        )
    if published.round_index == 0 and manifest is not None:
        given = given_labels(manifest)
        # the answer to a clip that was asked for counts, even if the table got a label for it later
        brought = sorted(set(given) & set(train) - published.answered.asked)
        known = _brought_along({utt: given[utt] for utt in brought})
    if known is None:
        raise ValueError("a round after the first needs what was known before it")
    rows = query[query["utt"].isin(list(resolved.labels))]
    labelled = answer(rows, known if len(known) else None, resolved.labels, published.round_index)
    if labelled.empty:
        raise InputError(
            f"{published.asked}: every clip was skipped or is unusable; expected a label for at "
            "least one"
        )
    record = {
        "asked": published.asked,
        "given": int(before["given"]) if before else len(known),
        "labelled": len(labelled),
        **_record(published),
        "left_out": {**(before["left_out"] if before else {}), **resolved.out},
    }
    return labelled, record


def answered_val(
    published: Published, fold: pd.DataFrame, manifest: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Return (fold, manifest, answers.json) with val's labels, for the fits.

    val keeps the clips that have a label, brought along or answered. train stays as it was, and its
    labels are removed from the manifest: fits may see them through labelled.tsv only.
    """
    val = set(fold.loc[fold["split"] == "val", "utt"])
    foreign = sorted(set(published.utts) - val)
    if foreign:
        raise InputError(
            f"val: {foreign[0]} was asked for and is no longer in val; expected the same clips "
            "as when the query was published"
        )
    given = manifest.loc[(manifest["label"] != "") & manifest["utt"].isin(val)]
    given = given[~given["utt"].isin(published.utts)]
    labels = dict(zip(given["utt"], given["label"], strict=True)) | published.resolved.labels
    if not labels:
        raise InputError("val: no clip has a label; expected one for at least one clip")
    kept = fold[(fold["split"] != "val") | fold["utt"].isin(list(labels))].reset_index(drop=True)
    labelled = manifest.assign(label=[labels.get(utt, "") for utt in manifest["utt"]])
    record = {"asked": "val", "given": len(given), "labelled": len(labels), **_record(published)}
    return kept, labelled, record | {"left_out": dict(published.resolved.out)}


def _brought_along(labels: Mapping[str, str]) -> pd.DataFrame:
    query = pd.DataFrame({"utt": list(labels), "rank": "0", "score": "0"})
    return answer(query, None, labels, 0)


def _record(published: Published) -> dict[str, Any]:
    resolved, utts = published.resolved, set(published.utts)
    left_out = list(resolved.out.values())
    return {
        "clips": len(published.utts),
        "answered": len(resolved.labels),
        "skipped": left_out.count("skipped"),
        "unusable": left_out.count("unusable"),
        "votes": resolved.votes,
        "agreement": agreement(published.utts, published.answered.by_clip, published.classes),
        "problems": [
            [problem.where, problem.utt, problem.kind, problem.text]
            for problem in published.answered.problems
            if problem.utt in utts
        ],
    }


def agreement(
    asked: Sequence[str], by_clip: Mapping[str, Sequence[Answer]], classes: Sequence[str]
) -> dict[str, Any]:
    """Return alpha over the clips `asked`, from each annotator's label of the classes.

    Keys: alpha (None if it cannot be computed, and `note` says why), annotators, clips (with two
    labels or more), labels. Decisions do not count as annotations. Skipped and unusable clips, and
    clips to which an annotator gave two labels, count as not labelled by that annotator.
    """
    rows: dict[str, dict[str, set[str]]] = {}
    for utt in asked:
        for given in by_clip.get(utt, ()):
            if not given.decides and given.value not in OUT:
                labels = rows.setdefault(given.annotator, {}).setdefault(utt, set())
                labels.add(given.value)
    codes = {name: index for index, name in enumerate(classes)}
    data = np.full((len(rows), len(asked)), np.nan)
    for row, annotator in enumerate(sorted(rows)):
        for column, utt in enumerate(asked):
            labels = rows[annotator].get(utt, set())
            if len(labels) == 1:
                data[row, column] = codes[next(iter(labels))]
    twice = np.isfinite(data).sum(axis=0) >= 2
    result: dict[str, Any] = {
        "alpha": None,
        "annotators": len(rows),
        "clips": int(twice.sum()),
        "labels": int(np.isfinite(data[:, twice]).sum()),
        "note": "",
    }
    if not twice.any():
        result["note"] = "no clip was labelled by two annotators"
    elif len(np.unique(data[:, twice][np.isfinite(data[:, twice])])) < 2:
        result["note"] = "only one class was used: alpha is not defined"
    else:
        alpha = krippendorff.alpha(
            reliability_data=data[:, twice],
            value_domain=list(range(len(classes))),
            level_of_measurement="nominal",
        )
        result["alpha"] = None if math.isnan(alpha) else round(float(alpha), 6)
    return result
