"""Reading, checking and resolving the workflow's configuration."""

from __future__ import annotations

import os
from typing import Any

from after_ser.acquisition.registry import STRATEGIES
from after_ser.audio.perturb.registry import PERTURBATIONS
from after_ser.baselines.checks import check_table3, fill_baselines
from after_ser.config_checks import (
    check_corpus_options,
    check_names,
    check_pretraining,
    check_values,
)
from after_ser.config_library import AGAINST, add_from_library, fill_likes, read_library
from after_ser.config_models import filled_entries, filled_run
from after_ser.errors import InputError, expect_key
from after_ser.fewshot.check import check_fewshot
from after_ser.people import check_own, fill_rounds
from after_ser.settings import check_options
from after_ser.starts import (
    check_labels_used,
    check_starts_compared,
    check_tapt,
    start_uses_labels,
)

Config = dict[str, Any]

_FIGURES_AND_TABLES = ("tables", "figures")


def resolve(config: Config) -> Config:
    """Return `config` with all it uses of config/base.yaml and every default, checked.

    Raises InputError with one line that names the key, what is wrong and what was expected.
    """
    check_values(config)
    given, library = fill_likes(config, read_library())
    resolved = filled_run(given)
    filled_entries(library)
    add_from_library(resolved, library)
    check_names(resolved)
    fill_rounds(resolved)
    _check_corpora(resolved)
    check_corpus_options(resolved)
    _check_datasets(resolved)
    _check_backbones(resolved)
    check_pretraining(resolved)
    check_tapt(resolved)
    _check_schedule(resolved)
    _check_strategies(resolved)
    fill_baselines(resolved)
    check_table3(resolved)
    _fill_robustness(resolved)
    _check_arms(resolved)
    _check_noise(resolved)
    check_starts_compared(resolved)
    check_fewshot(resolved)
    check_own(resolved)
    return resolved


def corpus_root(config: Config, corpus: str) -> str:
    """Return the folder of a corpus's release; a relative root is below `corpora_root`."""
    return os.path.join(config["corpora_root"], config["corpora"][corpus].get("root", ""))


def _check_corpora(config: Config) -> None:
    for name, corpus in config["corpora"].items():
        if ("root" in corpus) == ("synthetic" in corpus):
            raise InputError(f"config: corpora.{name}: expected exactly one of root and synthetic")
        for raw, label in corpus["labels"].items():
            if label is not None:
                expect_key(label, config["classes"], f"corpora.{name}.labels.{raw}", "class")


def _check_datasets(config: Config) -> None:
    for name, dataset in config["datasets"].items():
        for corpus in [dataset["target"], *dataset["extra"]]:
            expect_key(corpus, config["corpora"], f"datasets.{name}", "corpus")
        if dataset["target"] in dataset["extra"]:
            raise InputError(
                f"config: datasets.{name}: {dataset['target']} is both target and extra"
            )
        for label in dataset["balance"]["ratio"]:
            expect_key(label, config["classes"], f"datasets.{name}.balance.ratio", "class")
        if min(config["folds"]) > dataset["folds"]["groups"]:
            raise InputError(
                f"config: folds: none of {config['folds']} exists in datasets.{name}, "
                f"which has {dataset['folds']['groups']} folds"
            )


def _check_backbones(config: Config) -> None:
    for name, backbone in config["backbones"].items():
        kinds = [kind for kind in ("hub", "folder", "scratch") if kind in backbone]
        where = f"config: backbones.{name}"
        if len(kinds) != 1:
            raise InputError(f"{where}: expected exactly one of hub, folder, scratch; got {kinds}")
        if kinds == ["hub"] and "revision" not in backbone:
            raise InputError(f"{where}: a hub model needs its revision (40 hex digits)")
        if (kinds == ["scratch"]) != ("pretraining" in backbone):
            raise InputError(f"{where}: pretraining belongs to scratch, and scratch needs it")
        for corpus in backbone.get("pretraining", {}).get("corpora", {}):
            expect_key(corpus, config["corpora"], f"backbones.{name}.pretraining", "corpus")


def _check_schedule(config: Config) -> None:
    budget = config["budget"]
    for earlier, later in zip(budget, budget[1:], strict=False):
        if later <= earlier:
            raise InputError(
                f"config: budget: {later} comes after {earlier}; expected increasing fractions"
            )
    if config["initial"]["k_max"] <= config["initial"]["k_min"]:
        raise InputError("config: initial: k_max must be greater than k_min")


def _check_arms(config: Config) -> None:
    for name, arm in config["arms"].items():
        where = f"arms.{name}"
        expect_key(arm["strategy"], STRATEGIES, f"{where}.strategy", "strategy")
        if arm["schedule"] == "oneshot" and arm["strategy"] != "random":
            raise InputError(
                f"config: {where}: a one-shot arm draws its clips before any model exists; "
                "expected strategy random"
            )
        _check_selection(config, name)
        check_labels_used(config, name)
    for section in _FIGURES_AND_TABLES:
        for name, item in config[section].items():
            where = f"{section}.{name}"
            if "dataset" not in item:  # it shows what the table of its name measures
                continue
            expect_key(item["dataset"], config["datasets"], where, "dataset")
            for key in AGAINST:
                if item.get(key) in item.get("arms", []):
                    raise InputError(
                        f"config: {where}: {item[key]} is {key} and among arms; expected only "
                        "the arms that are compared with it"
                    )
            for arm, budgets in requested(item):
                for fraction in budgets:
                    if fraction not in config["budget"]:
                        raise InputError(
                            f"config: {where}: {fraction} is not in budget "
                            f"({', '.join(map(str, config['budget']))})"
                        )
                    if fraction != 1 and start_uses_labels(config, config["arms"][arm]["start"]):
                        raise InputError(
                            f"config: {where}: {arm} at {fraction}, but its start "
                            f"{config['arms'][arm]['start']} has read all labels of train; "
                            "expected budget 1.0"
                        )


def _check_strategies(config: Config) -> None:
    for name, options in config["strategies"].items():
        expect_key(name, STRATEGIES, "strategies", "strategy")
        check_options(options, STRATEGIES[name].defaults, f"strategies.{name}")


def _check_selection(config: Config, name: str) -> None:
    arm = config["arms"][name]
    selection = config["protocols"][arm["protocol"]]["selection"]
    if arm["schedule"] == "oneshot" or selection == "top-k":
        return
    entry = STRATEGIES[arm["strategy"]]
    if entry.features and not entry.per_clip:
        per_clip = sorted(name for name, entry in STRATEGIES.items() if entry.per_clip)
        raise InputError(
            f"config: arms.{name}: strategy {arm['strategy']} chooses a set and protocol "
            f"{arm['protocol']} has selection {selection}; expected a strategy with a score per "
            f"clip ({', '.join(per_clip)}) or selection top-k"
        )


def requested(item: Config) -> list[tuple[str, list[float]]]:
    """Return the (arm id, budgets) pairs that one table or figure of the config shows."""
    if "conditions" in item:
        return [(arm, [item["budget"][arm]]) for arm in item["arms"]]
    if "arm" in item:
        return [(item["arm"], item["budgets"])]
    if "arms" in item:
        arms = list(item["arms"].values() if isinstance(item["arms"], dict) else item["arms"])
        against = [item[key] for key in AGAINST if key in item]
        pairs = [(arm, item["budgets"]) for arm in [*against, *arms]]
        full = [(item["random"], [item["full_data"]])] if "full_data" in item else []
        return pairs + full
    if "columns" in item:
        return [(arm, item["budgets"]) for arm in item["columns"].values()]
    if "rows" in item:
        return [(row["arm"], [row["budget"]]) for row in item["rows"].values() if "arm" in row]
    if "bars" in item:
        bars = [(bar["arm"], [bar["budget"]]) for bar in item["bars"].values()]
        return [*bars, (item["curve"]["arm"], item["curve"]["budgets"])]
    return []


def datasets_of(item: Config) -> list[str]:
    """Return the datasets that one table or figure of the config shows, each once."""
    if "datasets" in item:
        return list(dict.fromkeys(item["datasets"].values()))
    return [item["dataset"]] if "dataset" in item else []


def _fill_robustness(config: Config) -> None:
    """Give every arm of `tables.robustness` its fraction: the one given, or its last one shown."""
    wanted = config["tables"].get("robustness")
    if wanted is None:
        return
    given = wanted.get("budget", {})
    for arm in given if isinstance(given, dict) else ():
        expect_key(arm, wanted["arms"], "tables.robustness.budget", "arm")
    shown: dict[str, float] = {}
    for section in _FIGURES_AND_TABLES:
        for name, item in config[section].items():
            if name != "robustness" and wanted["dataset"] in datasets_of(item):
                for arm, budgets in requested(item):
                    shown[arm] = max(shown.get(arm, 0), *budgets)
    filled = {}
    for arm in wanted["arms"]:
        fraction = given.get(arm, shown.get(arm)) if isinstance(given, dict) else given
        if fraction is None:
            raise InputError(
                f"config: tables.robustness: no other table or figure shows {arm}; expected its "
                "fraction under budget"
            )
        filled[arm] = fraction
    config["tables"] = {**config["tables"], "robustness": {**wanted, "budget": filled}}


def _check_noise(config: Config) -> None:
    """Check perturbed test sets, injected clips and oracles that err."""
    if "robustness" in config["figures"] and "robustness" not in config["tables"]:
        raise InputError("config: figures.robustness draws tables.robustness, which is not there")
    robustness = config["tables"].get("robustness", {})
    for kind, levels in robustness.get("conditions", {}).items():
        where = f"tables.robustness.conditions.{kind}"
        expect_key(kind, PERTURBATIONS, "tables.robustness.conditions", "perturbation")
        known = PERTURBATIONS[kind]
        for level in levels:
            if not known.lowest <= level <= known.highest:
                raise InputError(
                    f"config: {where}: {level} is out of range; expected {known.lowest:g} to "
                    f"{known.highest:g} {known.unit}"
                )
    for name, dataset in config["datasets"].items():
        foreign = dataset.get("inject", {}).get("foreign")
        if foreign is not None:
            where = f"datasets.{name}.inject.foreign"
            expect_key(foreign["corpus"], config["corpora"], where, "corpus")
            if foreign["corpus"] in [dataset["target"], *dataset["extra"]]:
                raise InputError(
                    f"config: {where}: {foreign['corpus']} is a corpus of the dataset; expected "
                    "another one"
                )
    outliers = config["tables"].get("outliers")
    if outliers is not None and config["arms"][outliers["random"]]["strategy"] != "random":
        raise InputError(
            f"config: tables.outliers.random: {outliers['random']} chooses by "
            f"{config['arms'][outliers['random']]['strategy']}; expected strategy random"
        )
    for name, protocol in config["protocols"].items():
        _check_oracle(protocol["oracle"], config["classes"], f"protocols.{name}.oracle")


def _check_oracle(oracle: Config, classes: list[str], where: str) -> None:
    if oracle["label_noise"] and oracle["annotators"]:
        raise InputError(
            f"config: {where}: label_noise is of a single annotator, and annotators have their "
            "confusion; expected one of the two"
        )
    for index, annotator in enumerate(oracle["annotators"]):
        for label, row in annotator["confusion"].items():
            place = f"{where}.annotators.{index}.confusion.{label}"
            for name in (label, *row):
                expect_key(name, classes, place, "class")
            if abs(sum(row.values()) - 1) > 1e-6:
                raise InputError(
                    f"config: {place}: the shares add up to {sum(row.values()):g}; expected 1"
                )
