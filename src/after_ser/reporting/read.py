"""What tables and figures are made of, read from the files that `sources` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from after_ser.acquisition.overlap import selection_overlaps
from after_ser.datasets.tables import read_manifest
from after_ser.evaluation.baselines import read_baselines
from after_ser.evaluation.bootstrap import gather_counts, read_speakers
from after_ser.evaluation.fewshot import gather_fewshot
from after_ser.evaluation.outliers import gather_outliers
from after_ser.evaluation.robustness import gather_robustness
from after_ser.grid import cells_of
from after_ser.reporting.cells import read_cells
from after_ser.reporting.table import read
from after_ser.reporting.table1 import read_composition
from after_ser.runtime.atomic import read_tsv

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
