"""Files that are either whole or absent: written beside their target, then renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success rename it onto `path`, else remove it.

    The temporary name keeps the target's suffix, because libsndfile, matplotlib and others
    choose the format by it.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON; keys keep their order, NaN is an error."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_tsv(
    path: str | os.PathLike[str], frame: pd.DataFrame, float_format: str = "%.6f"
) -> None:
    """Write `frame` as TSV with a header; floats with a fixed format so that bytes are stable."""
    with atomic_path(path) as temporary:
        frame.to_csv(
            temporary, sep="\t", index=False, lineterminator="\n", float_format=float_format
        )


def read_tsv(path: str | os.PathLike[str], numeric: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a TSV of ours: every column as str ("" where empty) except those named in `numeric`.

    Identifiers such as speaker "03" must not turn into the number 3, hence str by default.
    """
    frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, na_filter=False)
    for column in numeric:
        frame[column] = pd.to_numeric(frame[column].mask(frame[column] == ""))
    return frame
