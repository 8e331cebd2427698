"""The scores under noise of every model that the config asks for, as one table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.judge import grid
from after_ser.judge.gather import KEYS
from after_ser.run.atomic import read_tsv

CLEAN = "clean"
MEASURED = ["ua", "wa", "macro_f1", "n"]
COLUMNS = [*KEYS, "condition", "level", *MEASURED]


def gather_robustness(config: Mapping[str, Any]) -> pd.DataFrame:
    """Return COLUMNS, a row per model, condition and level; fold and seed as text, level as text.

    Reads the robustness.tsv of `grid.robustness_cells`. Raises InputError where one is missing or
    holds other conditions than the config.
    """
    wanted = config["tables"]["robustness"]["conditions"]
    expected = [(CLEAN, "")]
    expected += [(kind, f"{level:g}") for kind, levels in wanted.items() for level in levels]
    tables = []
    for cell in grid.robustness_cells(dict(config)):
        if not Path(cell.robustness).is_file():
            raise InputError(f"{cell.robustness}: missing, expected the result of an earlier step")
        found = read_tsv(cell.robustness, tuple(MEASURED))
        if list(zip(found["condition"], found["level"], strict=True)) != expected:
            raise InputError(
                f"{cell.robustness}: other conditions than tables.robustness, expected "
                f"{', '.join(' '.join(one).strip() for one in expected)}"
            )
        key = {name: getattr(cell, name) for name in KEYS}
        key |= {"fold": str(cell.fold), "seed": str(cell.seed)}
        tables.append(found.assign(**key)[COLUMNS])
    if not tables:
        raise InputError("tables.robustness: none of its arms has a model, expected at least one")
    return pd.concat(tables, ignore_index=True)
