"""Which starts there are, what they have seen, and which arms may begin from them.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Any

from after_ser.errors import InputError
from after_ser.tapt.objectives.registry import uses_labels

Config = dict[str, Any]


def start_uses_labels(config: Config, start: str) -> bool:
    """Tell whether a start has read the labels of train (P-TAPT); `pretrained` has not."""
    return start != "pretrained" and uses_labels(config["tapt"][start]["objective"])


def check_tapt(config: Config) -> None:
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


def check_labels_used(config: Config, name: str) -> None:
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


def check_starts_compared(config: Config) -> None:
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
