"""Table 1: clips per emotion in the dataset, as counted, beside the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.data.datasets.composition import AFTER, BEFORE
from after_ser.judge.tables import provenance, published
from after_ser.judge.tables.table import Table, cell, frame
from after_ser.run.atomic import read_tsv

ALL = "all classes"


def read_composition(path: str | Path, classes: Sequence[str]) -> pd.DataFrame:
    """Return composition.tsv as numbers: corpus, one column of clips per class."""
    composition = read_tsv(path)
    missing = [name for name in ("corpus", *classes) if name not in composition]
    if missing:
        raise InputError(
            f"{path}: column {missing[0]} missing, expected corpus, {', '.join(classes)}"
        )
    return composition[["corpus", *classes]].astype(dict.fromkeys(classes, float))


def ratio(counts: list[float]) -> list[float | None]:
    """Return the counts relative to the smallest one above zero (which the paper prints as 1.0)."""
    smallest = min((count for count in counts if count > 0), default=None)
    return [None if smallest is None else count / smallest for count in counts]


def _published_row(layout: str) -> Mapping[str, Any]:
    rows = published.table(1)
    rows = rows[rows["layout"] == layout]
    return {} if rows.empty else rows.iloc[0].to_dict()


def _counted(value: float | None) -> dict[str, Any] | None:
    return None if value is None else {"mean": float(value), "note": ""}


def _printed(
    config: Mapping[str, Any], corpora: list[str], name: str
) -> tuple[float | None, Mapping[str, Any]]:
    """Return the paper's clip count and ratios that belong beside the row `name`.

    The paper's Merged count is the sum of its corpora, before any balancing, while its ratio
    is the one that balancing aimed at; a dataset of one corpus has no Merged row to meet.
    """
    if name in corpora:
        row = _published_row(provenance.layout_of(config, name))
        return row.get("samples"), row
    if len(corpora) == 1:
        return None, {}
    merged = _published_row("merged")
    return merged["samples"], merged if name == AFTER else {}


def table1(config: Mapping[str, Any], composition: pd.DataFrame) -> Table:
    """Return Table 1: clips and label ratio per corpus, and of all together.

    `composition` holds a row per corpus and the two merged ones, before and after balancing
    (`data.datasets.composition`), with clips per class. Raises InputError where it names a corpus
    that the dataset does not have.
    """
    dataset = config["tables"]["table1"]["dataset"]
    classes = [str(name) for name in config["classes"]]
    corpora = provenance.corpora_of(config, dataset)
    strange = sorted(set(composition["corpus"]) - {*corpora, BEFORE, AFTER})
    if strange:
        raise InputError(
            f"composition: corpus {strange[0]!r} is not part of dataset {dataset}, expected "
            f"{', '.join(corpora)}"
        )
    rows = []
    for line in composition.to_dict("records"):
        name = str(line["corpus"])
        numbers = [float(line[label]) for label in classes]
        samples, ratios = _printed(config, corpora, name)
        rows.append(cell(name, ALL, "clips", _counted(sum(numbers)), samples))
        for label, number, share in zip(classes, numbers, ratio(numbers), strict=True):
            rows.append(cell(name, label, "clips", _counted(number)))
            rows.append(cell(name, label, "ratio", _counted(share), ratios.get(label)))
    layouts = {provenance.layout_of(config, corpus) for corpus in corpora}
    absent = [
        str(row["corpus"])
        for row in published.table(1).to_dict("records")
        if row["layout"] not in layouts and row["layout"] != "merged"
    ]
    notes = [
        str(config.get("note") or ""),
        provenance.synthetic_note(config, dataset),
        provenance.dataset_note(config, dataset),
        "Clips that are usable and whose label is one of the classes. Ratio: relative to the "
        "row's rarest class that occurs.",
        "The paper prints clips in total and the ratio only. Its IEMOCAP count is the whole "
        "corpus (the four classes have 5,531 clips), its EMODB count is reached only with fear "
        "counted as anger, and SHEMO is Persian though printed as English. Its Merged count is "
        "the sum of its rows, its Merged ratio does not follow from them.",
        f"Rows of the paper without a corpus here: {', '.join(absent)}." if absent else "",
    ]
    return Table(
        title=f"Table 1. Composition of {dataset}",
        row_title="Corpus",
        cells=frame(rows),
        notes=[note for note in notes if note],
    )
