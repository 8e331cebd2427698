"""Emptying models that no further round starts from, to save disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from after_ser.judge.grid import cells, robustness_cells


def prune(config: dict[str, Any]) -> tuple[int, int]:
    """Empty the models of middle rounds under protocols with `keep_models: last`.

    Kept are round 0, which every strategy shares, each arm's last round, and the models that the
    table `robustness` tests. A pruned model stays as an empty file with its old time stamp: a
    missing file would make Snakemake plan the round again. Returns (number of models, bytes freed).
    """
    last: dict[str, int] = {}
    every = [cell for cell in cells(config) if cell.schedule == "iterative"]
    arm_of = {cell: str(Path(cell.folder).parent) for cell in every if cell.round > 0}
    for cell, arm in arm_of.items():
        last[arm] = max(last.get(arm, 0), cell.round)
    tested = {cell.folder for cell in robustness_cells(config)}
    count = freed = 0
    for cell, arm in arm_of.items():
        if cell.folder in tested:
            continue
        if config["protocols"][cell.protocol]["keep_models"] != "last" or cell.round == last[arm]:
            continue
        weights = Path(cell.folder) / "model/model.safetensors"
        if weights.exists() and weights.stat().st_size > 0:
            before = weights.stat()
            os.truncate(weights, 0)
            os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
            count += 1
            freed += before.st_size
    return count, freed
