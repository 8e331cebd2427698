"""scores.tsv and times.tsv: one row per evaluated cell of the grid.

Scores and times are two files because scores are reproducible to the byte and times are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.judge import grid
from after_ser.run.atomic import read_json

KEYS = [
    "arm",
    "label",
    "split",
    "protocol",
    "backbone",
    "start",
    "dataset",
    "fold",
    "init",
    "seed",
    "strategy",
    "schedule",
    "round",
    "budget",
]
MEASURED = ["labelled", "n_train", "val_labels", "ua", "wa", "macro_f1", "best_epoch", "epochs"]
SCORES = [*KEYS, *MEASURED]
PARTS = ("tapt", "latents", "initial", "query", "fit")
ON_DEVICE = frozenset({"tapt", "latents", "fit"})
SPENT = [*(f"{part}_s" for part in PARTS), "total_s", "compute_total_s"]
TIMES = [*KEYS, "device", *SPENT]
NUMERIC = ["round", "budget", *MEASURED, *SPENT]


def lineage_time(lineage: Iterable[tuple[str, str | Path]]) -> dict[str, Any]:
    """Return what the steps along a lineage cost together, in seconds.

    `lineage` lists (part, path of timing.json) with part in PARTS: every step that must run to
    reach the cell from raw features, TAPT and all earlier rounds included (paper, Table 2 and
    section 3.5 count the whole way). Steps shared with other cells are charged in full.
    Keys: device, {part}_s and total_s (wall), compute_total_s. Raises ValueError for an unknown
    part or a step that is listed twice, InputError for a missing or unreadable timing file.
    """
    wall = dict.fromkeys(PARTS, 0.0)
    compute = 0.0
    devices: list[str] = []
    seen: set[str] = set()
    for part, path in lineage:
        if part not in wall:
            raise ValueError(f"unknown part {part!r} of a lineage, expected one of {PARTS}")
        if str(path) in seen:
            raise ValueError(f"{path} is charged twice in one lineage")
        seen.add(str(path))
        timing = read_json(path)
        try:
            wall[part] += float(timing["wall_s"])
            compute += float(timing["compute_s"])
            device = str(timing["device"])
        except KeyError as error:
            raise InputError(f"{path}: {error} missing, expected a timing record") from None
        # choosing clips always runs on the CPU, beside whatever device the models run on
        if part in ON_DEVICE and device not in devices:
            devices.append(device)
    return {
        "device": " + ".join(sorted(devices)),
        **{f"{part}_s": round(seconds, 3) for part, seconds in wall.items()},
        "total_s": round(sum(wall.values()), 3),
        "compute_total_s": round(compute, 3),
    }


def _key(cell: Any) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in KEYS}


def _score_row(cell: Any) -> dict[str, Any]:
    metrics = read_json(cell.metrics)
    try:
        if int(metrics["round"]) != int(cell.round):
            raise InputError(
                f"{cell.metrics}: metrics of round {metrics['round']}, expected {cell.round}"
            )
        row = {name: metrics[name] for name in ("labelled", "n_train", "val_labels")}
        row |= {name: metrics["test"][name] for name in ("ua", "wa", "macro_f1")}
        row |= {name: metrics[name] for name in ("best_epoch", "epochs")}
    except KeyError as error:
        raise InputError(f"{cell.metrics}: {error} missing, expected a metrics record") from None
    return _key(cell) | row


def _ordered(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=columns)
    if frame.duplicated(KEYS).any():
        raise ValueError("the grid yields one cell twice")
    arms = {arm: position for position, arm in enumerate(dict.fromkeys(frame["arm"]))}
    order = [name for name in KEYS if name not in ("arm", "label")]
    frame = frame.assign(_arm=frame["arm"].map(arms)).sort_values(["_arm", *order], kind="stable")
    return frame.drop(columns="_arm").reset_index(drop=True)


def gather_cells(cells: Iterable[Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (scores, times) of the given grid cells, arms in the order in which they come.

    Scores are fractions 0..1, times are seconds. Raises InputError where a cell's file is
    missing, broken or another round's.
    """
    cells = list(cells)
    scores = [_score_row(cell) for cell in cells]
    times = [_key(cell) | lineage_time(cell.lineage) for cell in cells]
    return _ordered(scores, SCORES), _ordered(times, TIMES)


def gather(config: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (scores, times) of every cell that the resolved config asks for."""
    return gather_cells(grid.cells(dict(config)))
