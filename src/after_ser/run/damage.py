"""Finding result files that were truncated after they had been written.

Except for JSON, only the end or the header is read, so that tens of thousands of files take
seconds. A TSV that was truncated exactly between two lines looks whole here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

_TAIL = 65_536  # bytes; longer than any line of ours
SET_ASIDE = ".damaged"


def find_damage(folders: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield (file, reason) for every file below `folders` that cannot be whole."""
    for folder in folders:
        for directory, _, names in os.walk(folder):
            for name in sorted(names):
                check = _CHECKS.get(Path(name).suffix)
                if check is None or name.startswith("."):
                    continue
                path = Path(directory, name)
                try:
                    reason = check(path)
                except OSError as error:
                    reason = f"it cannot be read ({error.strerror})"
                if reason:
                    yield path, reason


def set_aside(path: Path) -> Path:
    """Rename a damaged file, so that it is made again and nothing is deleted."""
    target = path.with_name(path.name + SET_ASIDE)
    os.replace(path, target)
    return target


def _tail(path: Path) -> bytes:
    with open(path, "rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(max(0, size - _TAIL))
        return handle.read()


def _ends_a_line(path: Path) -> str:
    tail = _tail(path)
    if not tail:
        return "it is empty"
    if b"\0" in tail:
        return "it holds NUL bytes"
    return "" if tail.endswith(b"\n") else "the last line is incomplete"


def _table(path: Path) -> str:
    reason = _ends_a_line(path)
    if reason:
        return reason
    tail = _tail(path)
    if b'"' in tail:  # a quoted field may hold tabs and line ends
        return ""
    with open(path, "rb") as handle:
        header = handle.readline()
    last = tail[:-1].rpartition(b"\n")[2]
    expected, actual = header.count(b"\t") + 1, last.count(b"\t") + 1
    return "" if actual == expected else f"its last line has {actual} of {expected} fields"


def _json(path: Path) -> str:
    try:
        json.loads(path.read_bytes())
        return ""
    except ValueError:
        return "it is no valid JSON"


def _array(path: Path) -> str:
    try:
        np.load(path, mmap_mode="r")
    except (ValueError, EOFError):
        # an array of no elements cannot be mapped
        try:
            np.load(path)
        except (ValueError, EOFError):
            return "it is no whole array"
    return ""


def _tensors(path: Path) -> str:
    """Let safetensors open it, which compares the size with the header."""
    if (
        path.stat().st_size == 0
    ):  # pruned on purpose (after_ser.tools.prune), and refused by its reader
        return ""
    try:
        with safe_open(path, framework="np"):
            return ""
    except SafetensorError:
        return "it is no whole model"


def _image(path: Path) -> str:
    return "" if b"IEND" in _tail(path)[-12:] else "it is no whole image"


_CHECKS: dict[str, Callable[[Path], str]] = {
    ".tsv": _table,
    ".json": _json,
    ".npy": _array,
    ".safetensors": _tensors,
    ".png": _image,
    ".md": _ends_a_line,
    ".tex": _ends_a_line,
}
