"""Which clips of the source corpora are trained on, and that no target speaker is among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.data.datasets.merge import folded
from after_ser.data.datasets.sampling import shuffled


@dataclass(frozen=True)
class Source:
    """A source corpus: its own raw classes, and (clip, class) of train and val."""

    corpus: str
    classes: list[str]
    train: list[tuple[str, str]]
    val: list[tuple[str, str]]


def chosen(
    manifest: pd.DataFrame,
    speakers: Sequence[str] | None,
    labels: Sequence[str] | None,
    where: str,
) -> pd.DataFrame:
    """Return the rows of a corpus's manifest with one of the speakers and raw labels (None: all).

    Clips without a label never are. Raises InputError, with `where`, for a speaker or label that
    the corpus does not have.
    """
    rows = manifest[manifest["raw_label"] != ""]
    for column, wanted, what in (("speaker", speakers, "speaker"), ("raw_label", labels, "label")):
        if wanted is None:
            continue
        there = sorted(set(manifest[column]) - {""})
        absent = [name for name in wanted if name not in there]
        if absent:
            raise InputError(
                f"config: {where}.{what}s: the corpus has no {what} {absent[0]}; expected some of "
                f"{', '.join(there[:30])}"
            )
        rows = rows[rows[column].isin(list(wanted))]
    return rows.reset_index(drop=True)


def split_source(corpus: str, rows: pd.DataFrame, val_share: float, seed: int) -> Source:
    """Divide the clips of a source into train and val, by raw class.

    Every class with two clips or more has at least one in val. Raises InputError for a corpus
    with fewer than two classes, which leaves nothing to learn (and ln 1 = 0 to divide by).
    """
    classes = sorted(set(rows["raw_label"]))
    if len(classes) < 2:
        raise InputError(
            f"fewshot: source {corpus} has {len(classes)} classes "
            f"({', '.join(classes) or 'no labelled clip'}); expected at least two"
        )
    train: list[tuple[str, str]] = []
    val: list[tuple[str, str]] = []
    for label in classes:
        utts = shuffled(rows.loc[rows["raw_label"] == label, "utt"], "fewshot-val", corpus, seed)
        count = max(1, int(val_share * len(utts) + 0.5)) if len(utts) > 1 else 0
        val += [(utt, label) for utt in utts[:count]]
        train += [(utt, label) for utt in utts[count:]]
    return Source(corpus, classes, sorted(train), sorted(val))


def check_apart(
    target: pd.DataFrame, target_layout: str, sources: Mapping[str, tuple[pd.DataFrame, str]]
) -> None:
    """Raise InputError where a source holds a target speaker or a clip of one.

    `target` and each source's frame are rows of manifests, with the layout they are read by: names
    of speakers mean the same person only in the same layout. Equal audio is found whatever the
    names are.
    """
    for corpus, (rows, layout) in sources.items():
        known = set(target["speaker"].map(folded)) if layout == target_layout else set()
        people = {name for name in rows["speaker"] if folded(name) in known}
        if people:
            raise InputError(
                f"fewshot: target speaker {min(people)} is in source {corpus} too, which is of "
                f"the same layout ({layout}); expected no target speaker among the sources "
                "(rename one of them if they are two people)"
            )
        copies = rows[rows["sha256"].isin(set(target["sha256"]) - {""})]
        if len(copies):
            raise InputError(
                f"fewshot: clip {copies['utt'].min()} of source {corpus} has the samples of a clip "
                "of a target speaker; expected no target speaker among the sources"
            )
