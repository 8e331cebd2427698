"""Checks of a config file that need no meaning of its keys: the file itself, and its values.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import Any

import yaml

from after_ser.core.errors import InputError

Config = dict[str, Any]

_DEEPEST = 30  # 8 levels are needed; an alias that holds itself has no end


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
