"""What tables and figures are made of, read from the files that `sources` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from after_ser.data.datasets.tables import read_manifest
from after_ser.judge.baselines import read_baselines
from after_ser.judge.bootstrap import gather_counts, read_speakers
from after_ser.judge.cells import read_cells
from after_ser.judge.grid import cells_of
from after_ser.judge.tables.table import read
from after_ser.judge.tables.table1 import read_composition
from after_ser.run.atomic import read_tsv
from after_ser.select.overlap import selection_overlaps
from after_ser.studies.fewshot.scores import gather_fewshot
from after_ser.studies.outliers.picks import gather_outliers
from after_ser.studies.robustness.table import gather_robustness

Config = dict[str, Any]
Files = Sequence[str]


def _one(read_file: Callable[[str], Any]) -> Callable[[Config, Files], Any]:
    """Return a reader of the only file, which gives None where the run has none."""
    return lambda config, files: read_file(files[0]) if files else None


def _counts(config: Config, files: Files) -> Any:
    shown = cells_of(config, config["tables"]["comparisons"])
    return gather_counts(shown, read_speakers(files[0]), config["classes"])


def _overlaps(config: Config, files: Files) -> Any:
    return selection_overlaps(cells_of(config, config["tables"]["protocol_effect"]))


READERS: Mapping[str, Callable[[Config, Files], Any]] = {
    "scores": _one(read_cells),
    "times": _one(read_cells),
    "composition": lambda config, files: read_composition(files[0], config["classes"]),
    "baselines": _one(read_baselines),
    "outliers": _one(read),
    "counts": _counts,
    "overlaps": _overlaps,
    "noise": lambda config, files: gather_robustness(config),
    "picks": lambda config, files: gather_outliers(config),
    "few": lambda config, files: gather_fewshot(config),
    "left_out": _one(read_tsv),
    "manifest": _one(read_manifest),
}


def read_all(config: Config, reads: Sequence[str], files: Mapping[str, Files]) -> list[Any]:
    """Return what is in the files behind each name of `reads`; the paths where none reads them."""
    return [
        READERS[name](config, files[name]) if name in READERS else list(files[name])
        for name in reads
    ]
