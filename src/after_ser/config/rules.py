"""Rules across sections, which the model of a single section cannot check.

Each raises InputError with one line. Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Any

from after_ser.core.errors import InputError, expect_key
from after_ser.core.people import OWN, STATUSES, asks_people, is_own
from after_ser.core.settings import check_options
from after_ser.data.corpora.registry import corpus_adapter
from after_ser.judge.config import AGAINST, datasets_of, requested
from after_ser.judge.grid import start_uses_labels
from after_ser.learn.tapt.objectives.registry import expect_possible, uses_labels
from after_ser.model.registry import HEADS, family_named
from after_ser.model.scratch import check_architecture
from after_ser.select.registry import STRATEGIES
from after_ser.studies.baselines.registry import registered
from after_ser.studies.fewshot.grid import BASELINE, is_wanted
from after_ser.studies.robustness.registry import PERTURBATIONS

Config = dict[str, Any]

_NAMED = ("corpora", "datasets", "backbones", "tapt", "protocols", "baselines", "arms")
#: Tables and figures that need no test clips.
WITHOUT_TEST = ("rounds",)


def fill_and_check(config: Config) -> None:
    """Check a config whose sections are sound by themselves, and fill what depends on others."""
    _check_names(config)
    _fill_rounds(config)
    _check_corpora(config)
    _check_corpus_options(config)
    _check_datasets(config)
    _check_backbones(config)
    _check_pretraining(config)
    _check_tapt(config)
    _check_schedule(config)
    _check_heads(config)
    _check_strategies(config)
    _fill_baselines(config)
    _check_table3(config)
    _fill_robustness(config)
    _check_arms(config)
    _check_families(config)
    _check_noise(config)
    _check_starts_compared(config)
    _check_fewshot(config)
    _check_own(config)


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
        _check_labels_used(config, name)
    for section in ("tables", "figures"):
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


def _check_heads(config: Config) -> None:
    for name, protocol in config["protocols"].items():
        expect_key(protocol["head"], HEADS, f"protocols.{name}.head", "head")


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


def _fill_robustness(config: Config) -> None:
    """Give every arm of `tables.robustness` its fraction: the one given, or its last one shown."""
    wanted = config["tables"].get("robustness")
    if wanted is None:
        return
    given = wanted.get("budget", {})
    for arm in given if isinstance(given, dict) else ():
        expect_key(arm, wanted["arms"], "tables.robustness.budget", "arm")
    shown: dict[str, float] = {}
    for section in ("tables", "figures"):
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


def _check_names(config: Config) -> None:
    """Raise InputError for names that would share a folder: those that differ only in case.

    Not every file system tells them apart. `results/corpora` and the start `pretrained` are taken.
    """
    for section in _NAMED:
        seen: dict[str, str] = {}
        for name in config[section]:
            other = seen.setdefault(name.lower(), name)
            if other != name:
                raise InputError(
                    f"config: {section}: {other} and {name} differ only in case; expected names "
                    "that every file system can tell apart"
                )
    if config["run"].lower() == "corpora":
        raise InputError("config: run: results/corpora is where corpora go; expected another name")
    if "pretrained" in config["tapt"]:
        raise InputError("config: tapt: the start pretrained has no TAPT; expected another name")


def _check_corpus_options(config: Config) -> None:
    """Raise InputError for a layout that does not exist, and for options that it does not have."""
    for name, corpus in config["corpora"].items():
        try:
            corpus_adapter(corpus["layout"]).check_options(corpus["options"])
        except InputError as error:
            raise InputError(f"config: corpora.{name}: {error}") from None


def _check_pretraining(config: Config) -> None:
    """Raise InputError for an architecture, objective or number of GPUs that cannot be."""
    if config["gpus_per_pretraining"] > 1 and config["device"] not in ("auto", "cuda"):
        raise InputError(
            f"config: gpus_per_pretraining: {config['gpus_per_pretraining']}, but device is "
            f"{config['device']}; expected device auto or cuda, or 1"
        )
    for name, backbone in config["backbones"].items():
        try:
            if "scratch" in backbone:
                check_architecture(backbone["scratch"])
        except InputError as error:
            raise InputError(f"config: backbones.{name}: {error}") from None
        if "pretraining" not in backbone:
            continue
        where = f"config: backbones.{name}.pretraining"
        try:
            labels = uses_labels(backbone["pretraining"]["objective"])
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        if labels:
            raise InputError(f"{where}: objective p-tapt needs labels; expected one that does not")


def _check_tapt(config: Config) -> None:
    """Check the objective of every TAPT variant, and that P-TAPT has a first stage."""
    for name, variant in config["tapt"].items():
        where = f"config: tapt.{name}"
        try:
            labels = uses_labels(variant["objective"])
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        if labels != ("first_stage" in variant):
            raise InputError(f"{where}: first_stage belongs to objective p-tapt, which needs it")
        first = variant.get("first_stage", {})
        if labels and ("checkpoint" in first) == ("scratch" in first):
            raise InputError(f"{where}.first_stage: expected exactly one of checkpoint and scratch")


def _check_families(config: Config) -> None:
    """Check that each backbone's family can be trained and read as the config wants it."""
    for name, backbone in config["backbones"].items():
        if "pretraining" in backbone:
            where = f"config: backbones.{name}.pretraining"
            _expect_possible(where, backbone, backbone["pretraining"]["objective"])
    for name, arm in config["arms"].items():
        where = f"config: arms.{name}"
        own = arm.get("backbone", config["backbone"])
        backbone = config["backbones"][own]
        if arm["start"] != "pretrained":
            objective = config["tapt"][arm["start"]]["objective"]
            _expect_possible(f"{where}: start {arm['start']}", backbone, objective)
        family = family_named(backbone)
        if "surprisal" in STRATEGIES[arm["strategy"]].reads and not family.has_quantiser:
            raise InputError(
                f"{where}: strategy {arm['strategy']} reads a quantiser's codes, and a "
                f"{family.model_type} backbone has no quantiser; expected another strategy"
            )


def _expect_possible(where: str, backbone: Config, objective: str) -> None:
    try:
        expect_possible(objective, family_named(backbone))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _check_labels_used(config: Config, name: str) -> None:
    """A start that has read all labels of train is for arms that are given all of them."""
    arm = config["arms"][name]
    if not start_uses_labels(config, arm["start"]):
        return
    where = f"config: arms.{name}: start {arm['start']} has read all labels of train"
    if arm["schedule"] != "oneshot":
        raise InputError(f"{where}; expected schedule oneshot, at budget 1.0")
    oracle = config["protocols"][arm["protocol"]]["oracle"]
    if oracle["label_noise"] or oracle["annotators"]:
        raise InputError(f"{where}, without an error; expected a protocol whose oracle never errs")


def _check_starts_compared(config: Config) -> None:
    """Check the tables whose arms are to differ in nothing but their start."""
    for table, wanted in config["tables"].items():
        shown = table.partition("-")[0]  # of tapt_ablation there may be several
        if shown not in ("tapt_ablation", "tapt_sessions"):
            continue
        arms = {name: config["arms"][name] for name in wanted["arms"].values()}
        starts = [arm["start"] for arm in arms.values()]
        if starts.count("pretrained") != 1:
            raise InputError(
                f"config: tables.{table}.arms: {starts.count('pretrained')} arms start from "
                "pretrained; expected one, which the others are compared with"
            )
        first = next(iter(arms))
        for name, arm in arms.items():
            for key in ("init", "strategy", "schedule", "protocol", "split", "backbone"):
                if arm.get(key) != arms[first].get(key):
                    raise InputError(
                        f"config: tables.{table}.arms: {first} and {name} differ in {key}; "
                        "expected arms that differ in start only"
                    )
            if shown == "tapt_sessions" and arm["schedule"] != "oneshot":
                raise InputError(
                    f"config: tables.{table}.arms: {name} is {arm['schedule']}; expected one-shot "
                    "arms, which are fitted once on all labels"
                )


def _fill_rounds(config: Config) -> None:
    """Let the table `rounds` show every round where it names none: `budget` alone says how many."""
    if "rounds" in config["tables"]:
        config["tables"]["rounds"].setdefault("budgets", list(config["budget"]))


def _check_own(config: Config) -> None:
    """Raise InputError where a person would be asked in a way that cannot be, and for mixed runs.

    A run asks for one arm: two would ask twice, and what one is told the other would know.
    """
    for name, protocol in config["protocols"].items():
        oracle = protocol["oracle"]
        own = [key for key in ("disagreement", "per_clip") if key in oracle]
        where = f"config: protocols.{name}.oracle"
        if oracle["kind"] == "human" and (oracle["label_noise"] or oracle["annotators"]):
            raise InputError(f"{where}: label_noise and annotators are of a simulated oracle")
        if oracle["kind"] != "human" and own:
            raise InputError(f"{where}: {own[0]} is of kind human; expected it there only")
    if any(protocol["oracle"]["kind"] == "human" for protocol in config["protocols"].values()):
        _check_words(config["classes"])
    people = [name for name, arm in config["arms"].items() if asks_people(config, arm["protocol"])]
    for name, arm in config["arms"].items():
        if name in people and (arm.get("split") != OWN or arm["schedule"] != "iterative"):
            raise InputError(
                f"config: arms.{name}: its oracle is a person; expected split own and schedule "
                "iterative"
            )
    if not is_own(config):
        _check_folds(config, False)
        return
    _check_folds(config, True)
    other = next((name for name, arm in config["arms"].items() if arm.get("split") != OWN), None)
    if other is not None:
        raise InputError(
            f"config: arms.{other}: other arms have split own, which leaves nothing to test on; "
            "expected it of every arm"
        )
    if len(config["datasets"]) > 1 or config["folds"] != [1]:
        raise InputError("config: arms with split own; expected one dataset, and folds: [1]")
    if people and (len(config["arms"]) > 1 or len(config["seeds"]) > 1):
        raise InputError(
            f"config: arms.{people[0]}: its oracle is a person, who is asked once; expected one "
            "arm and one seed"
        )
    for section in ("tables", "figures"):
        for name in config[section]:
            if name.partition("-")[0] not in WITHOUT_TEST:
                raise InputError(
                    f"config: {section}.{name}: it shows scores of test clips, and arms with split "
                    f"own have none; expected only {', '.join(WITHOUT_TEST)}"
                )


def _check_words(classes: list[str]) -> None:
    """Raise InputError for classes that an answer cannot tell from another, or from a status."""
    seen = dict.fromkeys(STATUSES, "what is said of a clip without a label")
    for name in classes:
        other = seen.setdefault(name.casefold(), f"the class {name}")
        if other != f"the class {name}":
            raise InputError(
                f"config: classes: {name} is also {other}; expected names that differ when people "
                "type them in any case"
            )


def _check_folds(config: Config, own: bool) -> None:
    for name, dataset in config["datasets"].items():
        if (dataset["folds"]["by"] == "none") != own:
            wanted = "none" if own else "session or speaker"
            raise InputError(
                f"config: datasets.{name}.folds.by: {dataset['folds']['by']}; expected {wanted}, "
                f"since {'its arms have' if own else 'no arm has'} split own"
            )
        balanced = dataset["balance"]["method"] != "none"
        if own and (dataset["extra"] or "inject" in dataset or balanced):
            raise InputError(
                f"config: datasets.{name}: arms with split own; expected no extra corpora, no "
                "inject and no balancing, which needs labels"
            )


def _check_fewshot(config: Config) -> None:
    """Raise InputError for a study that is shown and not there, or that cannot be run."""
    study = config.get("fewshot")
    if study is None:
        if is_wanted(config):
            raise InputError(
                "config: tables.fewshot and figures.fewshot show the few-shot study; expected its "
                "settings under the key fewshot"
            )
        return
    target, sources = study["target"], study["sources"]
    expect_key(target["corpus"], config["corpora"], "fewshot.target.corpus", "corpus")
    for corpus, source in sources.items():
        where = f"fewshot.sources.{corpus}"
        if corpus == BASELINE:
            raise InputError(
                f"config: {where}: this name is the start without sources; use another"
            )
        expect_key(corpus, config["corpora"], "fewshot.sources", "corpus")
        if corpus == target["corpus"]:
            _check_apart(target["speakers"], source.get("speakers"), where)
    sizes = study.get("sizes") or []
    if sizes and max(sizes) > len(sources):
        raise InputError(
            f"config: fewshot.sizes: {max(sizes)} of {len(sources)} sources cannot be combined"
        )
    pretraining = config["backbones"][config["backbone"]].get("pretraining", {})
    heard = pretraining.get("corpora", {}).get(target["corpus"], [])
    _check_apart(
        target["speakers"],
        None if heard == "all" else heard,
        f"backbones.{config['backbone']}.pretraining.corpora.{target['corpus']}",
    )


def _check_apart(targets: list[str], others: list[str] | None, where: str) -> None:
    shared = sorted(set(targets) if others is None else set(targets) & set(others))
    if shared:
        raise InputError(
            f"config: {where}: {', '.join(shared[:5])} of fewshot.target.speakers; expected "
            "speakers that are no targets"
        )


def _fill_baselines(config: Config) -> None:
    """Give every baseline a value for every option of its method; raises InputError for others."""
    filled = {}
    for name, given in config["baselines"].items():
        known = registered(given["method"])
        own = {key: value for key, value in given.items() if key != "method"}
        check_options(own, known.options, f"baselines.{name}", known.choices)
        filled[name] = {"method": given["method"], **known.options, **own}
    config["baselines"] = filled


def _check_table3(config: Config) -> None:
    """Check the rows of `tables.table3` and add one for each baseline without; raises InputError.

    A row that is added is called by the baseline's name.
    """
    wanted = config["tables"].get("table3")
    if wanted is None:
        return
    for heading, dataset in wanted["datasets"].items():
        expect_key(dataset, config["datasets"], f"tables.table3.datasets.{heading}", "dataset")
    splits = {}
    for heading, row in wanted["rows"].items():
        where = f"tables.table3.rows.{heading}"
        if set(row) not in ({"baseline"}, {"arm", "budget"}):
            raise InputError(
                f"config: {where}: {', '.join(row) or 'nothing'} given; expected either baseline "
                "or arm and budget"
            )
        if "baseline" in row:
            continue
        splits[config["arms"][row["arm"]]["split"]] = heading
        if row["budget"] not in config["budget"]:
            raise InputError(
                f"config: {where}: {row['budget']} is not in budget "
                f"({', '.join(map(str, config['budget']))})"
            )
    if len(splits) > 1:
        raise InputError(
            f"config: tables.table3.rows: {' and '.join(splits.values())} are arms of different "
            "splits; expected one split, so that all rows are tested on the same clips"
        )
    expect_key(wanted["reference"], wanted["rows"], "tables.table3.reference", "row")
    shown = {row.get("baseline") for row in wanted["rows"].values()}
    more = {name: {"baseline": name} for name in config["baselines"] if name not in shown}
    for name in more.keys() & wanted["rows"].keys():
        raise InputError(
            f"config: tables.table3.rows.{name}: this is also the name of a baseline that has no "
            "row; expected another heading, or a row for it"
        )
    rows = {**wanted["rows"], **more}
    config["tables"] = {**config["tables"], "table3": {**wanted, "rows": rows}}
