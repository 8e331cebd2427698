"""Which files a table or figure is made of, by the name of what is read from them.

Light on imports: each cluster job parses the Snakefile three times. `read` reads the files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from after_ser.core.cells import Cell
from after_ser.core.paths import Paths
from after_ser.core.people import human_protocols
from after_ser.judge.config import datasets_of, requested
from after_ser.judge.grid import cells_of, dataset_splits, outlier_files, robustness_cells
from after_ser.judge.registry import Report
from after_ser.studies.fewshot import grid as few

Config = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """A table or figure (`item`, its settings) of a run, and the run's evaluated cells.

    Of a run that asks people, only the cells that they have answered are there.
    """

    config: Config
    item: Config
    there: Sequence[Cell]

    @property
    def paths(self) -> Paths:
        """Return where the run's files lie."""
        return Paths(self.config["run"])

    @property
    def shown(self) -> list[Cell]:
        """Return the evaluated cells that it names."""
        wanted = set(cells_of(self.config, self.item))
        return [cell for cell in self.there if cell in wanted]


def _summaries(wanted: Wanted) -> list[str]:
    """Return the summary of every TAPT run that its arms start from.

    A table that names no arm, such as the claims, looks at all of its dataset.
    """
    arms = {arm for arm, _ in requested(wanted.item)}
    return [
        cell.lineage[0][1].replace("timing.json", "summary.json")
        for cell in wanted.there
        if cell.start != "pretrained"
        and cell.dataset in datasets_of(wanted.item)
        and (cell.arm in arms or not arms)
    ]


def _composition(wanted: Wanted) -> list[str]:
    """Return the counts of its dataset, for the first way that the folds are made."""
    shown = wanted.item["dataset"]
    split = next(one for one, dataset in dataset_splits(wanted.config) if dataset == shown)
    return [f"{wanted.paths.dataset.format(split=split, dataset=shown)}/composition.tsv"]


def _baselines(wanted: Wanted) -> list[str]:
    return [wanted.paths.baseline_scores] if "table3" in wanted.config["tables"] else []


def _outliers(wanted: Wanted) -> list[str]:
    return [f"{wanted.paths.tables}/outliers.tsv"] if "outliers" in wanted.config["tables"] else []


def _counts(wanted: Wanted) -> list[str]:
    """Return the manifest of the reference arm's folds, then the predictions of every cell."""
    split = wanted.config["arms"][wanted.item["reference"]]["split"]
    manifest = wanted.paths.manifest.format(split=split, dataset=wanted.item["dataset"])
    return [manifest, *(cell.predictions for cell in wanted.shown)]


def _overlaps(wanted: Wanted) -> list[str]:
    return [path for cell in wanted.shown for path in cell.selection_files or ()]


def _answers(wanted: Wanted) -> list[str]:
    """Return what people answered: about val, then about every round that is shown."""
    first = wanted.shown[0]
    if first.protocol not in human_protocols(wanted.config):
        return []
    return [
        first.of_fold("answers.json"),
        *(f"{cell.folder}/answers.json" for cell in wanted.shown),
    ]


FILES: dict[str, Callable[[Wanted], list[str]]] = {
    "scores": lambda wanted: [wanted.paths.scores],
    "times": lambda wanted: [wanted.paths.times],
    "summaries": _summaries,
    "composition": _composition,
    "baselines": _baselines,
    "outliers": _outliers,
    "counts": _counts,
    "overlaps": _overlaps,
    "noise": lambda wanted: [cell.robustness for cell in robustness_cells(wanted.config)],
    "picks": lambda wanted: outlier_files(wanted.config),
    "few": lambda wanted: list(few.score_files(wanted.config).values()),
    "left_out": lambda wanted: [few.left_out_file(wanted.config)],
    "prefinetuned": lambda wanted: list(few.summary_files(wanted.config).values()),
    "metrics": lambda wanted: [cell.metrics for cell in wanted.shown],
    "answers": _answers,
    "manifest": lambda wanted: [wanted.shown[0].manifest],
}


def inputs_of(
    config: Config,
    there: Sequence[Cell],
    section: str,
    report: Report,
    wildcards: Mapping[str, str],
) -> dict[str, list[str]]:
    """Return the inputs of a table or figure whose name is a job's wildcard, by name.

    there: the evaluated cells. section: "tables" or "figures".
    """
    item = config[section][wildcards.get("name", report.name)]
    return source_files((*report.reads, *report.unread), Wanted(config, item, there))


def source_files(reads: Sequence[str], wanted: Wanted) -> dict[str, list[str]]:
    """Return the files behind each name of `reads`, each once, in a fixed order."""
    return {name: list(dict.fromkeys(FILES[name](wanted))) for name in reads}
