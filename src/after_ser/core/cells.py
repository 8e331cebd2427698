"""What a run fits and evaluates: where each model lies, what it reads and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from after_ser.core.paths import TEMPLATES


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One fine-tuned model: round `round` of a strategy, for one fold and seed."""

    run: str
    split: str
    protocol: str
    backbone: str
    start: str
    tapt_seed: int
    dataset: str
    fold: int
    init: str  # oneshot for a one-shot arm, whose clips are drawn before there is a model
    seed: int
    strategy: str
    round: int
    round0_protocol: str  # where the initial set and round 0 lie
    reads: frozenset[str] = frozenset()  # what the strategy's queries read besides pool.tsv
    pseudo_labelled: bool = False  # the start is P-TAPT's
    warm_start: bool = False  # a round continues from the model of the one before
    asks_people: bool = False  # whose labels of val are fitted with

    @property
    def schedule(self) -> str:
        """`iterative`, or `oneshot`: no rounds, every budget is one draw and one fit."""
        return "oneshot" if self.init == "oneshot" else "iterative"

    @property
    def folder(self) -> str:
        """The folder of this round."""
        return self.round_folder(self.round)

    @property
    def previous_folder(self) -> str:
        """The folder of the round before."""
        return self.round_folder(self.round - 1)

    @property
    def seed_folder(self) -> str:
        """The folder of the initial set and round 0, which the strategies share."""
        return self._fill(TEMPLATES.seed, protocol=self.round0_protocol)

    @property
    def metrics(self) -> str:
        """The path of this round's metrics.json."""
        return f"{self.folder}/metrics.json"

    @property
    def predictions(self) -> str:
        """The path of this round's predictions.tsv."""
        return f"{self.folder}/predictions.tsv"

    @property
    def robustness(self) -> str:
        """The path of this model's scores under noise, where they are asked for."""
        return f"{self.folder}/robustness.tsv"

    @property
    def labelled(self) -> str:
        """The path of what was labelled by this round."""
        return f"{self.folder}/labelled.tsv"

    @property
    def dataset_folder(self) -> str:
        """The folder of the dataset's manifest and folds."""
        return self._fill(TEMPLATES.dataset)

    @property
    def manifest(self) -> str:
        """The path of the dataset's manifest."""
        return self._fill(TEMPLATES.manifest)

    @property
    def fold_table(self) -> str:
        """The path of the table that says which clips are train, val and test."""
        return self._fill(TEMPLATES.fold)

    def of_fold(self, ending: str) -> str:
        """Return the path of another file about the fold, e.g. fold1.answers.json."""
        return f"{self._fill(TEMPLATES.of_fold)}.{ending}"

    @property
    def fitted_fold(self) -> str:
        """The fold that is fitted: of people's answers, val has the clips that they labelled."""
        return self.of_fold("answered.tsv") if self.asks_people else self.fold_table

    @property
    def fitted_manifest(self) -> str:
        """The manifest that val's and test's labels are read from."""
        return self.of_fold("answered.manifest.tsv") if self.asks_people else self.manifest

    @property
    def injected(self) -> str:
        """The path of the list of injected clips, for a dataset that has some."""
        return self._fill(TEMPLATES.injected)

    @property
    def backbone_folder(self) -> str:
        """The checkpoint folder of the backbone, before any TAPT."""
        return self._fill(TEMPLATES.backbone)

    @property
    def start_folder(self) -> str:
        """The checkpoint folder that fine-tuning starts from."""
        if self.start == "pretrained":
            return self.backbone_folder
        return self._fill(TEMPLATES.tapt, seed=self.tapt_seed)

    @property
    def latents_folder(self) -> str:
        """The folder of the start's frozen CNN outputs; P-TAPT leaves the CNN as it is."""
        if self.start == "pretrained" or self.pseudo_labelled:
            return self.pretrained_latents
        return self._fill(TEMPLATES.tapt_latents, seed=self.tapt_seed)

    @property
    def pretrained_latents(self) -> str:
        """The folder of the backbone's CNN outputs of the dataset, shared by all folds."""
        return self._fill(TEMPLATES.pretrained_latents)

    @property
    def previous_model(self) -> list[str]:
        """Weights and config of the model of the round before."""
        folder = f"{self.previous_folder}/model"
        return [f"{folder}/model.safetensors", f"{folder}/config.json"]

    @property
    def warm_start_files(self) -> list[str]:
        """The model that this fit continues from; none if it begins with the start checkpoint."""
        return self.previous_model if self.warm_start and self.schedule == "iterative" else []

    @property
    def read_by_query(self) -> dict[str, list[str]]:
        """What the strategy's features are computed from, by the names its registry entry uses."""
        files = {
            "model": self.previous_model,
            "latents": [f"{self.latents_folder}/latents.npy"],
            "cnn_latents": [f"{self.pretrained_latents}/latents.npy"],
            "surprisal": [f"{self.latents_folder}/surprisal.npy"],
        }
        return {name: files[name] for name in sorted(self.reads)}

    @property
    def rounds_so_far(self) -> list[str]:
        """The folder of every round up to this one."""
        return [self.round_folder(index) for index in range(self.round + 1)]

    @property
    def selection_files(self) -> tuple[str, str] | None:
        """(pool.tsv, query.tsv): what this round's query chose from, and the query."""
        if self.schedule == "oneshot" or self.round == 0:
            return None
        return f"{self.previous_folder}/pool.tsv", f"{self.folder}/query.tsv"

    @property
    def lineage(self) -> list[tuple[str, str]]:
        """(part, timing file) of every step this model's result costs.

        Shared steps are charged in full: TAPT, the frozen latents, the initial set, then every
        query and every fit up to this round, never only the last fit. P-TAPT has two steps more
        and no latents of its own, since it leaves the CNN as it is.
        """
        steps: list[tuple[str, str]] = []
        if self.start != "pretrained":
            steps.append(("tapt", f"{self.start_folder}/timing.json"))
        if self.pseudo_labelled:
            states = self._fill(TEMPLATES.ptapt, seed=self.tapt_seed)
            steps += [("tapt", f"{states}/timing.json"), ("tapt", f"{states}/clusters_timing.json")]
        reads = self.reads if self.round > 0 else frozenset()
        latents = {self.latents_folder: None}
        if self.init == "kmeans" or "cnn_latents" in reads:
            latents[self.pretrained_latents] = None
        steps += [("latents", f"{folder}/timing.json") for folder in latents]
        if self.schedule == "oneshot":
            return [*steps, ("fit", f"{self.folder}/timing.json")]
        steps.append(("initial", f"{self.seed_folder}/initial_timing.json"))
        if "surprisal" in reads:
            steps.append(("query", f"{self.latents_folder}/surprisal_timing.json"))
        for index, folder in enumerate(self.rounds_so_far):
            if index > 0:
                steps.append(("query", f"{folder}/query_timing.json"))
            steps.append(("fit", f"{folder}/timing.json"))
        return steps

    def round_folder(self, index: int) -> str:
        """Return the folder of round `index` of this strategy; round 0 is shared by all of them."""
        if index == 0 and self.schedule == "iterative":
            return self._fill(TEMPLATES.round0, protocol=self.round0_protocol)
        return self._fill(TEMPLATES.round, round=index)

    def _fill(self, template: str, **other: Any) -> str:
        return template.format_map({**vars(self), **other})


@dataclass(frozen=True, kw_only=True)
class Cell(Fit):
    """A fit as one of an arm's budgets; arms can share a fit."""

    arm: str
    label: str
    budget: float


@dataclass(frozen=True, kw_only=True)
class BaselineCell:
    """One fit of another system, trained on the whole train split of one fold."""

    run: str
    split: str
    baseline: str
    method: str
    dataset: str
    fold: int
    seed: int
    extracts: bool  # the method's folds and seeds share features, which are extracted once

    @property
    def features(self) -> str | None:
        """The folder of what the method extracts of the dataset, None where nothing."""
        return self._fill(TEMPLATES.baseline_features) if self.extracts else None

    @property
    def folder(self) -> str:
        """The folder of this fit."""
        return self._fill(TEMPLATES.baseline_fit)

    @property
    def metrics(self) -> str:
        """The path of this fit's metrics.json."""
        return f"{self.folder}/metrics.json"

    @property
    def lineage(self) -> list[str]:
        """The timing file of every step this fit costs; shared ones are charged in full."""
        shared = [f"{self.features}/timing.json"] if self.features else []
        return [*shared, f"{self.folder}/timing.json"]

    def _fill(self, template: str) -> str:
        return template.format_map(vars(self))
