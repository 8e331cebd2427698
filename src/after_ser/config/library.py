"""What a config takes from the library, config/base.yaml: entries that it names and does not have.

Nothing else of the library becomes part of a run, so a new entry there plans nothing in a finished
one. An entry of the config replaces the library's of the same name: nothing is merged unless
the entry says `like`. Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import after_ser
from after_ser.core.errors import InputError, expect_key
from after_ser.core.protocol import round0_protocol
from after_ser.judge.config import arms_named

Config = dict[str, Any]

BASE = Path(after_ser.__file__).parents[2] / "config/base.yaml"
#: The sections that the library has entries of, and what one of them is called.
LIBRARY = {
    "arms": "arm",
    "tapt": "start",
    "protocols": "protocol",
    "backbones": "backbone",
    "baselines": "baseline",
}
#: The sections whose entries may be `like` others.
_NAMED = (*LIBRARY, "corpora", "datasets", "tables", "figures")


def read_library(path: Path = BASE) -> Config:
    """Return the sections of config/base.yaml."""
    library: Config = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return library


def fill_likes(config: Config, library: Config) -> tuple[Config, Config]:
    """Return the config and the library with every `like` replaced by what the entry is like.

    `argpartition: {like: paper, selection: argpartition}` has every key of the entry `paper`, the
    config's before the library's, but for `selection`. An entry that is like its own name is like
    the library's. A key that is given again is replaced whole.
    """
    filled, base = dict(config), dict(library)
    for section in _NAMED:
        own = config.get(section, {})
        if not isinstance(own, dict):  # the models say so
            continue
        sources = (own, library.get(section, {}))
        for target, source in ((filled, 0), (base, 1)):
            if section in target:
                names = sources[source]
                target[section] = {name: _whole(section, name, source, sources) for name in names}
    return filled, base


def _whole(
    section: str,
    name: Any,
    source: int,
    sources: tuple[Config, Config],
    seen: tuple[tuple[Any, int], ...] = (),
) -> Any:
    """Return an entry of the config (source 0) or the library (1), its `like` filled in."""
    entry = sources[source][name]
    if not isinstance(entry, dict) or "like" not in entry:
        return entry
    where = f"{section}.{name}.like"
    if (name, source) in seen:
        raise InputError(f"config: {where}: {name} is like itself in the end; expected no circle")
    other = entry["like"]
    own, library = sources
    known = library if other == name else {**own, **library}
    expect_key(other, known, where, LIBRARY.get(section, "entry"))
    below = int(other == name or other not in own)
    found = _whole(section, other, below, sources, (*seen, (name, source)))
    if not isinstance(found, dict):
        return entry
    return {**found, **{key: value for key, value in entry.items() if key != "like"}}


def add_from_library(config: Config, library: Config) -> None:
    """Add the library's entries that a config uses: checked, with defaults, and without `like`.

    What a table or figure names is used, and what that needs. Raises InputError for a name that
    neither has.
    """
    shown = [
        (arm, f"{section}.{name}")
        for section in ("tables", "figures")
        for name, item in config[section].items()
        for arm in arms_named(item)
    ]
    inside = config["inside"]["arms"]
    shown += [] if inside == "all" else [(arm, "inside.arms") for arm in inside]
    _take(config, library, "arms", shown)

    def of_arms(key: str) -> list[tuple[str, str]]:
        arms = config["arms"].items()
        return [(arm[key], f"arms.{name}.{key}") for name, arm in arms if key in arm]

    _take(config, library, "tapt", of_arms("start"))
    _take(config, library, "backbones", [(config["backbone"], "backbone"), *of_arms("backbone")])
    protocols = of_arms("protocol")
    if "claims" in config["tables"]:
        protocols.append((config["tables"]["claims"]["protocol"], "tables.claims"))
    _take(config, library, "protocols", protocols)
    # where round 0 of each lies, or one to plan with where there is no arm
    known = {**config["protocols"], **library["protocols"], **config["protocols"]}
    first = [round0_protocol(known, name) for name in config["protocols"]] or ["paper"]
    _take(config, library, "protocols", [(name, "protocols") for name in first])
    rows = config["tables"].get("table3", {}).get("rows", {}).items()
    named = [
        (row["baseline"], f"tables.table3.rows.{heading}")
        for heading, row in rows
        if "baseline" in row
    ]
    _take(config, library, "baselines", named)


def _take(config: Config, library: Config, section: str, named: list[tuple[str, str]]) -> None:
    own, base = config[section], library[section]
    known = {**own, **base, **({"pretrained": None} if section == "tapt" else {})}
    for name, where in named:
        expect_key(name, known, where, LIBRARY[section])
    used = {name for name, _ in named} - set(own)
    config[section] = {**own, **{name: base[name] for name in base if name in used}}
