"""What a config must be whose oracle is a person, or whose speech nobody has labelled.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Any

from after_ser.errors import InputError

Config = dict[str, Any]

OWN = "own"
#: What an answer may say of a clip, beside its label.
STATUSES = ("labelled", "skipped", "unusable")
#: Tables and figures that need no test clips.
WITHOUT_TEST = ("rounds",)


def is_own(config: Config) -> bool:
    """Tell whether a run has a pool and a val set only (arms with split own), and no test."""
    return any(arm.get("split") == OWN for arm in config["arms"].values())


def asks_people(config: Config, protocol: str) -> bool:
    """Tell whether the oracle of a protocol is a person."""
    return bool(config["protocols"][protocol]["oracle"]["kind"] == "human")


def human_protocols(config: Config) -> list[str]:
    """Return the protocols whose oracle is a person."""
    return [name for name in config["protocols"] if asks_people(config, name)]


def fill_rounds(config: Config) -> None:
    """Let the table `rounds` show every round where it names none: `budget` alone says how many."""
    if "rounds" in config["tables"]:
        config["tables"]["rounds"].setdefault("budgets", list(config["budget"]))


def check_own(config: Config) -> None:
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
