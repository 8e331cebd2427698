"""The resolved configuration of a run, as saved beside its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from after_ser.errors import InputError


def read_config(path: str | Path) -> dict[str, Any]:
    """Return results/{run}/config.yaml; raises InputError where it is no mapping."""
    try:
        config = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (UnicodeError, yaml.YAMLError):
        config = None
    if not isinstance(config, dict):
        raise InputError(f"{path}: no mapping, expected the resolved configuration of a run")
    return config
