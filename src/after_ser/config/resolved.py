"""The resolved configuration of a run, as saved beside its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from after_ser.config import step_settings
from after_ser.core.errors import InputError
from after_ser.core.paths import Paths


def read_config(path: str | Path) -> dict[str, Any]:
    """Return results/{run}/config.yaml; raises InputError where it is no mapping."""
    try:
        config = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (UnicodeError, yaml.YAMLError):
        config = None
    if not isinstance(config, dict):
        raise InputError(f"{path}: no mapping, expected the resolved configuration of a run")
    return config


def kept_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration as it is kept with the results: as it lies there, if that is equal.

    Snakemake compares params as text, and the order of keys must not matter.
    """
    new = step_settings.saved(config)
    try:
        old = read_config(Paths(config["run"]).config)
    except (OSError, InputError):
        return new
    return old if old == new else new
