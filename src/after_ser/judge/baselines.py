"""baseline_scores.tsv and baseline_times.tsv: one row per fit of a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.judge import grid
from after_ser.run.atomic import read_json, read_tsv

KEYS = ["baseline", "method", "split", "dataset", "fold", "seed"]
MEASURED = ["n_train", "val_labels", "ua", "wa", "macro_f1", "best_epoch", "epochs"]
SCORES = [*KEYS, *MEASURED, "notes"]
TIMES = [*KEYS, "device", "total_s", "compute_total_s"]
NOTES = " | "  # between the notes of one fit


def gather_baselines(config: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (scores, times) of every baseline that the resolved config shows."""
    return gather_fits(grid.baseline_cells(dict(config)))


def gather_fits(cells: Iterable[Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (scores, times) of these cells: fractions 0..1, seconds.

    Raises InputError where a file is missing or broken.
    """
    scores, times = [], []
    for cell in cells:
        key = {name: getattr(cell, name) for name in KEYS}
        metrics = read_json(cell.metrics)
        steps = [read_json(path) for path in cell.lineage]
        try:
            row = {name: metrics[name] for name in ("n_train", "val_labels")}
            row |= {name: metrics["test"][name] for name in ("ua", "wa", "macro_f1")}
            row |= {name: metrics[name] for name in ("best_epoch", "epochs")}
            row["notes"] = NOTES.join(metrics["notes"])
        except KeyError as error:
            raise InputError(f"{cell.metrics}: {error} missing, expected a fit's record") from None
        spent = {
            name: sum(step[part] for step in steps)
            for name, part in (("total_s", "wall_s"), ("compute_total_s", "compute_s"))
        }
        scores.append(key | row)
        times.append(key | {"device": steps[-1]["device"]} | spent)
    return pd.DataFrame(scores, columns=SCORES), pd.DataFrame(times, columns=TIMES)


def read_baselines(path: Any) -> pd.DataFrame:
    """Return baseline_scores.tsv with numbers as numbers and fold and seed as text."""
    return read_tsv(path, tuple(MEASURED))
