"""What `snakemake download` fetches: config/downloads.yaml, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from after_ser.core.errors import InputError
from after_ser.core.settings import filled
from after_ser.tools.download.config import Downloads

Plan = dict[str, Any]
#: Where corpora go that no config says a folder for.
FOLDER = "data"


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Return the plan in `path`; raises InputError with one line for anything but a valid one."""
    try:
        plan = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        raise InputError(f"download: there is no {path}; expected a file of addresses") from None
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise InputError(f"download: cannot read {path}: {' '.join(str(error).split())}") from None
    return filled(Downloads, plan, "", f"download: {path}")


def chosen(plan: Plan, names: Sequence[str]) -> list[str]:
    """Return the corpora to fetch, every one where `names` is empty.

    Raises InputError for a corpus that has to be asked for, saying whom, and for an unknown one.
    """
    for name in names:
        if name in plan["asked_for"]:
            raise InputError(f"download: {explanation(plan, name)}")
        if name not in plan["corpora"]:
            near = get_close_matches(name, plan["corpora"], n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(plan['corpora'])}"
            raise InputError(f"download: there is no corpus {name}; {hint}")
    return list(names) or list(plan["corpora"])


def explanation(plan: Plan, name: str) -> str:
    """Return one line on a corpus that is not fetched: whom to ask, and where."""
    return f"{name} is not fetched: {plan['asked_for'][name]}"


def corpus_folders(config: Mapping[str, Any], plan: Plan) -> dict[str, str]:
    """Return where each corpus of the plan goes: where the config will look for its layout.

    A corpus that the config does not have goes below `corpora_root`, under its own name.
    """
    root = config["corpora_root"] or FOLDER
    folders = {}
    for name, corpus in plan["corpora"].items():
        roots = [
            other["root"]
            for other in config["corpora"].values()
            if other["layout"] == corpus["layout"] and "root" in other
        ]
        below = config["corpora_root"] if roots else root
        folders[name] = os.path.expanduser(os.path.join(below, roots[0] if roots else name))
    return folders
