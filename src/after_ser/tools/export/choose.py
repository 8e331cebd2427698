"""Which model of a run is exported: validation clips decide, test clips are never looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from after_ser.core.cells import Cell
from after_ser.core.errors import InputError
from after_ser.core.metrics import score
from after_ser.core.paths import Paths
from after_ser.judge.grid import cells
from after_ser.model.registry import exportable_heads, family_of
from after_ser.run.atomic import AGAIN, read_tsv

Config = dict[str, Any]


@dataclass(frozen=True)
class Chosen:
    """One cell, the reason for it, and the cells of all folds and seeds at the same round."""

    cell: Cell
    reason: str
    peers: list[Cell]


@dataclass(frozen=True)
class Wanted:
    """What the user asked for; None is left to `choose`."""

    dataset: str | None = None
    arm: str | None = None
    fold: int | None = None
    seed: int | None = None
    round: int | None = None


def read_run(run: str) -> Config:
    """Return the resolved config that a run has left in its folder.

    Raises InputError where there is no such run here.
    """
    path = Path(Paths(run).config)
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, ValueError, yaml.YAMLError):
        runs = sorted(path.parent.name for path in Path("results").glob("*/config.yaml"))
        raise InputError(
            f"export: cannot read {path}; expected a run of this folder: "
            f"{', '.join(runs) or 'there is none yet'}"
        ) from None
    if not isinstance(config, dict) or config.get("run") != run:
        raise InputError(f"export: {path} is not a config of the run {run}; {AGAIN}")
    return config


def choose(config: Config, wanted: Wanted) -> Chosen:
    """Return the model that is exported.

    What `wanted` leaves open: the only dataset and the only arm that have a head which fits; the
    last round that is finished for every fold and seed; of its models the one of highest UA on
    its val clips, then of lowest val loss, then the first. Raises InputError, saying what to add,
    where that is not one model, and where the arm's head does not fit.
    """
    every = list(cells(config))
    arm = _arm(config, every, wanted)
    of_arm = [cell for cell in every if cell.arm == arm]
    datasets = sorted({cell.dataset for cell in of_arm})
    if wanted.dataset is None and len(datasets) > 1:
        raise InputError(
            f"export: arm {arm} has several datasets; expected DATASET= one of "
            f"{', '.join(datasets)}"
        )
    dataset = _one_of("dataset", wanted.dataset or datasets[0], datasets)
    peers = _at_round([cell for cell in of_arm if cell.dataset == dataset], wanted)
    models = [cell for cell in peers if _matches(cell, wanted)]
    if wanted.fold is not None and wanted.seed is not None:
        return Chosen(models[0], "fold and seed were asked for", peers)
    scores = {cell: val_scores(cell, config["classes"]) for cell in models}
    # a minus puts the highest UA first
    best = min(models, key=lambda c: (-scores[c][0], scores[c][1], c.fold, c.seed))
    ua = 100 * scores[best][0]
    reason = (
        f"the highest UA on its own validation clips ({ua:.1f} %) of {len(models)} models of "
        f"round {best.round}"
        if len(models) > 1
        else f"the only one of round {best.round}"
    )
    return Chosen(best, reason, peers)


def read_predictions(cell: Cell, classes: list[str], split: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return (utt and label, probabilities [N, C]) of a cell's val or test clips."""
    columns = tuple(f"p_{name}" for name in classes)
    table = read_tsv(cell.predictions, columns, ("utt", "split", "label"))
    table = table[table["split"] == split].reset_index(drop=True)
    probs = table[list(columns)].to_numpy(dtype=float)
    if not np.isfinite(probs).all() or not set(table["label"]) <= set(classes):
        raise InputError(
            f"{cell.predictions}: a {split} clip has no finite probabilities or no known label; "
            f"{AGAIN}"
        )
    return table[["utt", "label"]], probs


def val_scores(cell: Cell, classes: list[str]) -> tuple[float, float]:
    """Return (UA as a fraction, mean negative log-likelihood in nats) of a cell's val clips."""
    table, probs = read_predictions(cell, classes, "val")
    if table.empty:
        raise InputError(f"{cell.predictions}: no val clip; expected some to choose a model by")
    truth = [classes.index(label) for label in table["label"]]
    likelihoods = np.maximum(probs[np.arange(len(truth)), truth], 1e-300)
    ua = score(list(table["label"]), probs, classes)["ua"]
    return float(ua), float(-np.log(likelihoods).mean())


def _arm(config: Config, every: list[Cell], wanted: Wanted) -> str:
    heads = {cell.arm: config["protocols"][cell.protocol]["head"] for cell in every}
    protocols = {cell.arm: cell.protocol for cell in every}
    backbones = Path("results") / config["run"] / "backbone"
    exportable = {
        cell.arm: exportable_heads(family_of(backbones / cell.backbone)) for cell in every
    }
    if wanted.arm is not None:
        arm = _one_of("arm", wanted.arm, list(heads))
        if heads[arm] not in exportable[arm]:
            raise InputError(
                f"export: arm {arm} has the head {heads[arm]}, which no class of transformers has; "
                f"expected protocols.{protocols[arm]}.head: {_or(exportable[arm])}"
            )
        return arm
    fitting = [arm for arm, head in heads.items() if head in exportable[arm]]
    if not fitting:
        every_head = [head for heads in exportable.values() for head in heads]
        raise InputError(
            f"export: no arm of run {config['run']} has a head that transformers has; expected "
            f"head: {_or(every_head)} in its protocol "
            f"({', '.join(dict.fromkeys(protocols.values())) or 'no arm is shown'})"
        )
    if len(fitting) > 1:
        raise InputError(
            f"export: several arms of run {config['run']} fit; expected ARM= one of "
            f"{', '.join(fitting)}"
        )
    return fitting[0]


def _or(heads: list[str]) -> str:
    return " or ".join(dict.fromkeys(heads)) or "one that transformers has for this backbone"


def _at_round(every: list[Cell], wanted: Wanted) -> list[Cell]:
    """Return the finished cells of all folds and seeds at the round that is exported."""
    for name, value in (("fold", wanted.fold), ("seed", wanted.seed), ("round", wanted.round)):
        if value is not None:
            _one_of(name, value, sorted({getattr(cell, name) for cell in every}))
    rounds = sorted({cell.round for cell in every}) if wanted.round is None else [wanted.round]
    for index in reversed(rounds):
        at_round = [cell for cell in every if cell.round == index]
        missing = [cell for cell in at_round if _matches(cell, wanted) and not _finished(cell)]
        if not missing and any(_matches(cell, wanted) for cell in at_round):
            return [cell for cell in at_round if _finished(cell)]
        if wanted.round is not None and missing:
            raise InputError(f"export: {missing[0].metrics} is missing; expected a finished round")
    raise InputError(
        f"export: no round of arm {every[0].arm} is finished for every fold and seed asked for; "
        "expected one (FOLD= and SEED= ask for a single model)"
    )


def _finished(cell: Cell) -> bool:
    return Path(cell.metrics).is_file()


def _matches(cell: Cell, wanted: Wanted) -> bool:
    return wanted.fold in (None, cell.fold) and wanted.seed in (None, cell.seed)


def _one_of(what: str, name: Any, names: list[Any]) -> Any:
    if name not in names:
        raise InputError(
            f"export: there is no {what} {name}; expected one of {', '.join(map(str, names))}"
        )
    return name
