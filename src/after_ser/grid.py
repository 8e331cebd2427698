"""Every path of a run and every evaluated cell: the one place that knows the grid.

The Snakefile, the gathering of scores and the reports all ask here, so that what is planned and
what is read cannot differ. Light on imports: each cluster job parses the Snakefile three times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from after_ser.acquisition.registry import STRATEGIES
from after_ser.baselines.registry import registered
from after_ser.config import datasets_of, requested
from after_ser.protocol import round0_protocol
from after_ser.starts import start_uses_labels

Config = dict[str, Any]
SPLIT = "paper"  # of arms that name none, and of datasets that no arm shows


@dataclass(frozen=True)
class Cell:
    """One fitted and evaluated model: an arm at one budget, for one fold and seed."""

    run: str
    arm: str
    label: str
    split: str
    protocol: str
    backbone: str
    start: str
    tapt_seed: int
    dataset: str
    fold: int
    init: str
    seed: int
    strategy: str
    schedule: str
    round: int
    budget: float
    round0_protocol: str  # where the initial set and round 0 lie
    pseudo_labelled: bool = False  # the start is P-TAPT's

    @property
    def folder(self) -> str:
        """Return the folder of this round."""
        return self._round_folder(self.round)

    @property
    def metrics(self) -> str:
        """Return the path of this round's metrics.json."""
        return f"{self.folder}/metrics.json"

    @property
    def predictions(self) -> str:
        """Return the path of this round's predictions.tsv."""
        return f"{self.folder}/predictions.tsv"

    @property
    def robustness(self) -> str:
        """Return the path of this model's scores under noise, where they are asked for."""
        return f"{self.folder}/robustness.tsv"

    @property
    def labelled(self) -> str:
        """Return the path of what was labelled by this round."""
        return f"{self.folder}/labelled.tsv"

    @property
    def start_folder(self) -> str:
        """Return the checkpoint folder that fine-tuning starts from."""
        if self.start == "pretrained":
            return f"results/{self.run}/backbone/{self.backbone}"
        own = f"{self.start}/{self.dataset}/fold{self.fold}/seed{self.tapt_seed}"
        return f"results/{self.run}/{self.split}/tapt/{self.backbone}/{own}"

    @property
    def dataset_folder(self) -> str:
        """Return the folder of the dataset's manifest and folds."""
        return f"results/{self.run}/{self.split}/datasets/{self.dataset}"

    @property
    def selection_files(self) -> tuple[str, str] | None:
        """Return (pool.tsv, query.tsv): what this round's query chose from, and the query."""
        if self.schedule == "oneshot" or self.round == 0:
            return None
        return f"{self._round_folder(self.round - 1)}/pool.tsv", f"{self.folder}/query.tsv"

    @property
    def lineage(self) -> list[tuple[str, str]]:
        """Return (part, timing file) of every step this cell's result costs.

        Shared steps are charged in full: TAPT, the frozen latents, the initial set, then every
        query and every fit up to this round, never only the last fit. P-TAPT has two steps more
        and no latents of its own, since it leaves the CNN as it is.
        """
        split_root = f"results/{self.run}/{self.split}"
        steps: list[tuple[str, str]] = []
        latents = f"{split_root}/latents/{self.backbone}"
        pretrained = f"{latents}/pretrained/{self.dataset}/timing.json"
        if self.start != "pretrained":
            own = f"{self.start}/{self.dataset}/fold{self.fold}/seed{self.tapt_seed}"
            steps.append(("tapt", f"{split_root}/tapt/{self.backbone}/{own}/timing.json"))
            if self.pseudo_labelled:
                names = ("timing.json", "clusters_timing.json")
                steps += [("tapt", f"{split_root}/ptapt/{own}/{name}") for name in names]
            else:
                steps.append(("latents", f"{latents}/{own}/timing.json"))
        if self.start == "pretrained" or self.init == "kmeans" or self.pseudo_labelled:
            steps.append(("latents", pretrained))
        if self.schedule == "oneshot":
            steps.append(("fit", f"{self.folder}/timing.json"))
            return steps
        steps.append(("initial", f"{self._seed_folder(self.round0_protocol)}/initial_timing.json"))
        needs = STRATEGIES[self.strategy].needs if self.round > 0 else frozenset()
        if "surprisal" in needs:
            own_latents = next(path for part, path in steps if part == "latents")
            steps.append(("query", own_latents.replace("timing.json", "surprisal_timing.json")))
        if "cnn_means" in needs and ("latents", pretrained) not in steps:
            steps.append(("latents", pretrained))
        for index in range(self.round + 1):
            folder = self._round_folder(index)
            if index > 0:
                steps.append(("query", f"{folder}/query_timing.json"))
            steps.append(("fit", f"{folder}/timing.json"))
        return steps

    def _seed_folder(self, protocol: str) -> str:
        return (
            f"results/{self.run}/{self.split}/al/{protocol}/{self.backbone}/{self.start}/"
            f"{self.dataset}/fold{self.fold}/{self.init}/seed{self.seed}"
        )

    def _round_folder(self, index: int) -> str:
        if index == 0 and self.schedule == "iterative":
            return f"{self._seed_folder(self.round0_protocol)}/round0"  # shared by all strategies
        return f"{self._seed_folder(self.protocol)}/{self.strategy}/round{index}"


@dataclass(frozen=True)
class BaselineCell:
    """One fit of another system, trained on the whole train split of one fold."""

    run: str
    split: str
    baseline: str
    method: str
    dataset: str
    fold: int
    seed: int

    @property
    def features(self) -> str | None:
        """Return the folder of what the method extracts of the dataset, None where nothing."""
        if not registered(self.method).extracts:
            return None
        return f"{self._root}/features"

    @property
    def folder(self) -> str:
        """Return the folder of this fit."""
        return f"{self._root}/fold{self.fold}/seed{self.seed}"

    @property
    def _root(self) -> str:
        return f"results/{self.run}/{self.split}/baselines/{self.baseline}/{self.dataset}"

    @property
    def metrics(self) -> str:
        """Return the path of this fit's metrics.json."""
        return f"{self.folder}/metrics.json"

    @property
    def lineage(self) -> list[str]:
        """Return the timing file of every step this fit costs; shared ones are charged in full."""
        shared = [f"{self.features}/timing.json"] if self.features else []
        return [*shared, f"{self.folder}/timing.json"]


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
        seeds = config["seeds"] if registered(method).seeded else [0]
        for dataset in datasets_of(wanted):
            for fold in folds(config, dataset):
                for seed in seeds:
                    yield BaselineCell(config["run"], split, name, method, dataset, fold, seed)


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
                        run=config["run"],
                        arm=arm_id,
                        label=arm["label"],
                        split=arm.get("split", SPLIT),
                        protocol=arm["protocol"],
                        backbone=arm.get("backbone", config["backbone"]),
                        start=arm["start"],
                        tapt_seed=tapt_seed(config, arm["start"], seed),
                        dataset=dataset,
                        fold=fold,
                        init="oneshot" if arm["schedule"] == "oneshot" else arm["init"],
                        seed=seed,
                        strategy=arm["strategy"],
                        schedule=arm["schedule"],
                        round=index,
                        budget=config["budget"][index],
                        round0_protocol=round0_protocol(config["protocols"], arm["protocol"]),
                        pseudo_labelled=start_uses_labels(config, arm["start"]),
                    )


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
        names = ["manifest.tsv", f"fold{cell.fold}.tsv"]
        if "inject" in config["datasets"][cell.dataset]:
            names.append("injected.tsv")
        found.update(dict.fromkeys(f"{cell.dataset_folder}/{name}" for name in names))
        found[cell.labelled] = None
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
