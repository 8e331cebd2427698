"""Files that are either whole or absent: written beside their target, then renamed.

A file that was truncated afterwards (a full quota, a broken copy, a crash of the machine) is
refused by its reader with one line that names it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from after_ser.core.errors import InputError

#: The end of every message about a damaged file: what to do about it.
AGAIN = "expected what an earlier step wrote (delete it and it is made again, make resume does so)"


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
        _flush(temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder` that replaces it on success and vanishes otherwise."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _flush(path: Path) -> None:
    """Flush to the disk before the rename: otherwise a power cut could leave a stub."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_parts(target: Path) -> None:
    """Remove temporary files that killed writers of `target` left; its only writer calls this."""
    for part in target.parent.glob(f".{target.stem}.*.part{target.suffix}"):
        if part.is_file():
            part.unlink(missing_ok=True)


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
    """Write `frame` as TSV with a header; floats with a fixed format so that bytes are stable.

    Raises InputError for text with a carriage return, which would be read as the end of a row.
    """
    for column in frame.columns[[dtype.kind not in "biuf" for dtype in frame.dtypes]]:
        if any("\r" in value for value in frame[column] if isinstance(value, str)):
            raise InputError(f"{path}: column {column} has a carriage return in it; expected none")
    with atomic_path(path) as temporary:
        frame.to_csv(
            temporary, sep="\t", index=False, lineterminator="\n", float_format=float_format
        )


def read_tsv(
    path: str | os.PathLike[str], numeric: tuple[str, ...] = (), columns: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Read a TSV of the workflow: columns as str ("" where empty) except those in `numeric`.

    Identifiers such as speaker "03" must not turn into the number 3, hence str by default. Raises
    InputError where an edit, or a write that broke off, has left no such table: rows of unequal
    length, a last line without its end, no UTF-8, a number that is none, or one of `columns`
    missing. A file that was cut between two lines looks whole; who knows how many rows there must
    be has to count them.
    """
    try:
        header, rows = _rows(Path(path))
    except FileNotFoundError:
        raise InputError(f"{path} is missing; expected what an earlier step wrote") from None
    except _NO_TABLE as error:
        raise InputError(f"{path} is not a table: {error}; {AGAIN}") from None
    for column in (*columns, *numeric):
        if column not in header:
            raise InputError(f"{path} has no column {column}; {AGAIN}")
    frame = pd.DataFrame(rows, columns=header, dtype=str)
    for column in numeric:
        try:
            frame[column] = pd.to_numeric(frame[column].mask(frame[column] == ""))
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: column {column}: {error}; {AGAIN}") from None
    return frame


class _NoTableError(Exception):
    """What is wrong with a table, and in which line."""


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return header and rows; pandas would fill up a row that breaks off, and say nothing."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        try:
            text = lines.read()
        except UnicodeDecodeError:
            raise _NoTableError("it is not UTF-8") from None
    if not text.endswith("\n"):
        raise _NoTableError("its last line breaks off" if text else "it is empty")
    if "\0" in text:
        raise _NoTableError("it holds NUL bytes")
    if text.count("\r") > text.count("\r\n"):
        raise _NoTableError("a line of it ends with a carriage return only")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    header = next(reader)
    if len(set(header)) != len(header) or "" in header:
        raise _NoTableError("two columns have one name, or one has none")
    rows = []
    for row in reader:
        if row and len(row) != len(header):
            raise _NoTableError(
                f"line {reader.line_num} has {len(row)} fields where the header has {len(header)}"
            )
        if row:
            rows.append(row)
    return header, rows


_NO_TABLE = (OSError, csv.Error, _NoTableError)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return the parsed JSON file; raises InputError naming a missing or broken one."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: missing, expected the result of an earlier step") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: no valid JSON ({error.msg}, line {error.lineno}); {AGAIN}"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: no valid JSON ({error}); {AGAIN}") from None


def read_array(path: str | os.PathLike[str], mapped: bool = False) -> np.ndarray:
    """Return the array of a .npy file, `mapped` without reading it into memory.

    Raises InputError naming one that was cut or is no array.
    """
    try:
        array: np.ndarray = np.load(path, mmap_mode="r" if mapped else None)
        return array
    except (ValueError, EOFError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: no whole array ({reason}); {AGAIN}") from None


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the tensors of a safetensors file; InputError names one that was cut."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path}: no whole model ({error}); {AGAIN}") from None
