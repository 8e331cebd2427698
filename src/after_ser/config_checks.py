"""What is wrong with a configuration whatever its keys mean: values, names, and the file itself.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import Any

import yaml

from after_ser.backbone.scratch import check_architecture
from after_ser.corpora.registry import corpus_adapter
from after_ser.errors import InputError
from after_ser.tapt.objectives.registry import uses_labels

Config = dict[str, Any]

_DEEPEST = 30  # 8 levels are needed; an alias that holds itself has no end
_NAMED = ("corpora", "datasets", "backbones", "tapt", "protocols", "baselines", "arms")


def check_files(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Raise InputError where a config file has a key twice, of which YAML keeps only the last."""
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                document = yaml.compose(file, Loader=yaml.CSafeLoader)
        except (OSError, UnicodeError, yaml.YAMLError):
            continue  # Snakemake has read it already, and says what it could not read
        if document is not None:
            _check_node(document, str(path), set())


def _check_node(node: yaml.Node, path: str, seen: set[int]) -> None:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _check_node(child, path, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            line = key.start_mark.line + 1
            if key.value in lines:
                raise InputError(
                    f"config: {path}: key {key.value} is in line {lines[key.value]} and again in "
                    f"line {line}; expected it once"
                )
            lines[key.value] = line
        _check_node(value, path, seen)


def check_values(config: Any) -> None:
    """Raise InputError for NaN, infinity and control characters anywhere, and for endless depth.

    A note may have several lines.
    """
    _check_value(config, ())


def _check_value(value: Any, place: tuple[str, ...]) -> None:
    where = ".".join(place) or "the top level"
    if len(place) > _DEEPEST:
        raise InputError(f"config: {'.'.join(place[:4])} is nested without end; expected no alias")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"config: {where}: {value}; expected a finite number")
    if isinstance(value, str):
        _check_text(value, where, "note" in place[-1:])
    elif isinstance(value, dict):
        for key, child in value.items():
            _check_text(str(key), f"a key of {where}", False)
            _check_value(child, (*place, str(key)))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _check_value(child, (*place, str(index)))


def _check_text(text: str, where: str, lines: bool) -> None:
    shown = text.replace("\n", " ") if lines else text
    if not shown.isprintable():
        raise InputError(
            f"config: {where}: {text[:60]!r} has a line break or another character that cannot be "
            "printed; expected none"
        )


def check_names(config: Config) -> None:
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


def check_corpus_options(config: Config) -> None:
    """Raise InputError for a layout that does not exist, and for options that it does not have."""
    for name, corpus in config["corpora"].items():
        try:
            corpus_adapter(corpus["layout"]).check_options(corpus["options"])
        except InputError as error:
            raise InputError(f"config: corpora.{name}: {error}") from None


def check_pretraining(config: Config) -> None:
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
