"""The numbers printed for V-FT, TAPT and P-TAPT (Chen and Rudnicky, arXiv 2110.06309), by hand.

`published/tapt_sessions.tsv`: UA in percent on each IEMOCAP session, mean and s.d. over five
repeats of the fine-tuning alone, and the average of the five means. `published/tapt_prior.tsv`:
what they compare themselves with. All are five-fold on IEMOCAP's four classes, but the prior
works are printed as their own articles do.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import pandas as pd

from after_ser.run.atomic import read_tsv

AVERAGE = "average"
SESSIONS = ("1", "2", "3", "4", "5")
REPEATS = 5
METHODS = {"V-FT": None, "TAPT": "wav2vec2", "P-TAPT": "p-tapt"}  # and their objective


@cache
def _read(name: str, numeric: tuple[str, ...]) -> pd.DataFrame:
    source = files("after_ser.judge.tables") / "published" / f"{name}.tsv"
    with as_file(source) as path:
        return read_tsv(path, numeric)


def method_of(arm: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """Return which of METHODS an arm is by what it does, not by its heading; None for another.

    TAPT is theirs only with wav2vec 2.0's own objective. Annotators that err are not theirs, nor
    is another backbone than the run's.
    """
    oracle = config.get("protocols", {}).get(arm.get("protocol"), {}).get("oracle", {})
    if oracle.get("label_noise") or oracle.get("annotators"):
        return None
    if arm.get("backbone", config.get("backbone")) != config.get("backbone"):
        return None
    if arm.get("strategy") != "random" or arm.get("schedule") != "oneshot":
        return None
    variant = config.get("tapt", {}).get(arm.get("start"), {})
    objective = variant.get("objective")
    return next((name for name, known in METHODS.items() if known == objective), None)


def value(method: str | None, session: str) -> tuple[float | None, float | None]:
    """Return (UA in percent, s.d. over repeats) of a session "1" to "5" or AVERAGE.

    None where nothing is printed: the average has no s.d.
    """
    rows = _read("tapt_sessions", ("ua", "sd"))
    rows = rows[(rows["method"] == method) & (rows["session"] == session)]
    if rows.empty:
        return None, None
    found = rows.iloc[0]
    return float(found["ua"]), None if pd.isna(found["sd"]) else float(found["sd"])


def prior() -> dict[str, float]:
    """Return the prior works (with what they hear) and their UA in percent, as printed."""
    rows = _read("tapt_prior", ("ua",))
    names = [f"{row['method']} ({row['feature']})" for row in rows.to_dict("records")]
    return dict(zip(names, rows["ua"].astype(float), strict=True))
