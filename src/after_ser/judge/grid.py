"""Every evaluated cell of a run: what its tables and figures show, and what that needs.

The Snakefile, `gather_scores` and the reports all ask here, so the plan and what is read cannot
differ. Light on imports: each cluster job parses the Snakefile three times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from after_ser.core.cells import BaselineCell, Cell, Fit
from after_ser.core.people import asks_people
from after_ser.core.protocol import round0_protocol
from after_ser.judge.config import datasets_of, requested
from after_ser.learn.tapt.objectives.registry import uses_labels
from after_ser.select.registry import STRATEGIES
from after_ser.studies.baselines.registry import registered

Config = dict[str, Any]
SPLIT = "paper"  # of arms that name none, and of datasets that no arm shows


def baseline_cells(config: Config) -> Iterator[BaselineCell]:
    """Yield every fit of the baselines that Table 3 shows, in a fixed order.

    They are fitted on the split of the table's arms. A method without chance in it has one fit
    per fold, called seed 0, whatever the config's seeds are.
    """
    wanted = config["tables"].get("table3")
    if wanted is None:
        return
    arms = [row["arm"] for row in wanted["rows"].values() if "arm" in row]
    split = config["arms"][arms[0]].get("split", SPLIT) if arms else SPLIT
    names = [row["baseline"] for row in wanted["rows"].values() if "baseline" in row]
    for name in dict.fromkeys(names):
        method = config["baselines"][name]["method"]
        known = registered(method)
        for dataset in datasets_of(wanted):
            for fold in folds(config, dataset):
                for seed in config["seeds"] if known.seeded else [0]:
                    yield BaselineCell(
                        run=config["run"],
                        split=split,
                        baseline=name,
                        method=method,
                        dataset=dataset,
                        fold=fold,
                        seed=seed,
                        extracts=known.extracts,
                    )


def start_uses_labels(config: Config, start: str) -> bool:
    """Tell whether a start has read the labels of train (P-TAPT); `pretrained` has not."""
    return start != "pretrained" and uses_labels(config["tapt"][start]["objective"])


def tapt_seed(config: Config, start: str, seed: int) -> int:
    """Return the seed of the TAPT run that `seed` starts from: its own, or one shared by all."""
    if start == "pretrained":
        return 0
    return seed if config["tapt"][start]["seed_per_run"] else 0


def used_backbones(config: Config) -> list[str]:
    """Return the run's backbone, and those that arms shown by a table or figure have instead."""
    shown = {
        config["arms"][arm].get("backbone", config["backbone"])
        for section in ("tables", "figures")
        for item in config[section].values()
        for arm, _ in requested(item)
    }
    return [config["backbone"], *sorted(shown - {config["backbone"]})]


def reserved_speakers(config: Config) -> dict[str, Any]:
    """Return the speakers that backbones were pre-trained on here: corpus to a list, or all.

    No dataset may have them. Those of every used backbone count, so that arms of different
    backbones have the same clips.
    """
    reserved: dict[str, Any] = {}
    for name in used_backbones(config):
        own = config["backbones"][name].get("pretraining", {}).get("corpora", {})
        for corpus, speakers in own.items():
            there = reserved.get(corpus, [])
            if "all" in (there, speakers):
                reserved[corpus] = "all"
            else:
                reserved[corpus] = [*there, *(one for one in speakers if one not in there)]
    return reserved


def cells(config: Config) -> Iterator[Cell]:
    """Yield every cell that the config's tables and figures show, in a fixed order.

    An iterative arm yields all rounds up to the last one shown, since they exist anyway and
    make its learning curve. Round 0 appears once per arm although arms share its files.
    """
    wanted: dict[tuple[str, str], set[int]] = {}
    for section in ("tables", "figures"):
        for item in config[section].values():
            for arm, budgets in requested(item):
                rounds = {config["budget"].index(fraction) for fraction in budgets}
                if config["arms"][arm]["schedule"] == "iterative":
                    rounds = set(range(max(rounds) + 1))
                for dataset in datasets_of(item):
                    wanted.setdefault((dataset, arm), set()).update(rounds)
    for (dataset, arm_id), rounds in sorted(wanted.items()):
        arm = config["arms"][arm_id]
        for fold in folds(config, dataset):
            for seed in config["seeds"]:
                for index in sorted(rounds):
                    yield Cell(
                        arm=arm_id,
                        label=arm["label"],
                        budget=config["budget"][index],
                        split=arm.get("split", SPLIT),
                        backbone=arm.get("backbone", config["backbone"]),
                        dataset=dataset,
                        fold=fold,
                        init="oneshot" if arm["schedule"] == "oneshot" else arm["init"],
                        round=index,
                        **_shared(config, arm["protocol"], arm["start"], seed, arm["strategy"]),
                    )


def fit_at(config: Config, wildcards: Mapping[str, str]) -> Fit:
    """Return the fit that the wildcards of a path name; round 0's path names no strategy.

    {place}, which some paths have, is round0 or {strategy}/round{round}.
    """
    strategy, _, last = wildcards.get("place", "").rpartition("/")
    index = last.removeprefix("round") or wildcards.get("round", "0")
    return Fit(
        split=wildcards["split"],
        backbone=wildcards["backbone"],
        dataset=wildcards["dataset"],
        fold=int(wildcards["fold"]),
        init=wildcards["init"],
        round=int(index),
        **_shared(
            config,
            wildcards["protocol"],
            wildcards["start"],
            int(wildcards["seed"]),
            wildcards.get("strategy", strategy),
        ),
    )


def _shared(config: Config, protocol: str, start: str, seed: int, strategy: str) -> Config:
    """Return what a fit is told of its protocol, start and strategy, their names included."""
    return {
        "run": config["run"],
        "protocol": protocol,
        "round0_protocol": round0_protocol(config["protocols"], protocol),
        "warm_start": config["protocols"][protocol]["warm_start"],
        "asks_people": asks_people(config, protocol),
        "start": start,
        "pseudo_labelled": start_uses_labels(config, start),
        "seed": seed,
        "tapt_seed": tapt_seed(config, start, seed),
        "strategy": strategy,
        "reads": STRATEGIES[strategy].reads if strategy else frozenset(),
    }


def cells_of(config: Config, item: Config) -> Iterator[Cell]:
    """Yield the cells that one table or figure (a value of those sections) names itself.

    Earlier rounds of an iterative arm, which `cells` adds, are left out.
    """
    shown = {
        (arm, config["budget"].index(fraction))
        for arm, budgets in requested(item)
        for fraction in budgets
    }
    for cell in cells(config):
        if cell.dataset in datasets_of(item) and (cell.arm, cell.round) in shown:
            yield cell


def folds(config: Config, dataset: str) -> list[int]:
    """Return the config's folds that a dataset has, e.g. four of five for SAVEE's speakers."""
    groups: int = config["datasets"][dataset]["folds"]["groups"]
    return [fold for fold in config["folds"] if fold <= groups]


def robustness_cells(config: Config) -> list[Cell]:
    """Return the cells whose models are tested under noise (`tables.robustness`), or none."""
    wanted = config["tables"].get("robustness")
    return [] if wanted is None else list(cells_of(config, wanted))


def outlier_cells(config: Config) -> list[Cell]:
    """Return the cells whose picks are searched for outliers (`tables.outliers`), or none."""
    wanted = config["tables"].get("outliers")
    return [] if wanted is None else list(cells_of(config, wanted))


def outlier_files(config: Config) -> list[str]:
    """Return every file that the table of outliers is made of, once."""
    found: dict[str, None] = {}
    for cell in outlier_cells(config):
        found.update(dict.fromkeys((cell.manifest, cell.fold_table, cell.labelled)))
        if "inject" in config["datasets"][cell.dataset]:
            found[cell.injected] = None
    return list(found)


def dataset_splits(config: Config) -> list[tuple[str, str]]:
    """Return every (split, dataset) whose folds are audited, sorted.

    Those of the arms that are shown, and SPLIT where no table or figure shows a dataset.
    """
    used = {
        (config["arms"][arm].get("split", SPLIT), dataset)
        for section in ("tables", "figures")
        for item in config[section].values()
        for arm, _ in requested(item)
        for dataset in datasets_of(item)
    }
    used |= {(cell.split, cell.dataset) for cell in baseline_cells(config)}
    shown = {dataset for _, dataset in used}
    return sorted(used | {(SPLIT, name) for name in config["datasets"] if name not in shown})


def score_files(cells: Iterable[Cell]) -> list[str]:
    """Return every file that the scores and times of these cells are gathered from, once."""
    found: dict[str, None] = {}
    for cell in cells:
        found[cell.metrics] = None
        found.update((path, None) for _, path in cell.lineage)
    return list(found)
