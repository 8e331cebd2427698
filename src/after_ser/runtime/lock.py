"""One writer per state folder: a job that Snakemake lost sight of may still be running."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from after_ser.errors import InputError

LOCK = "lock"


@contextmanager
def exclusive(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Hold the folder's lock, making the folder if need be; the system frees it if we die.

    Raises InputError at once, without waiting, where another process holds it.
    """
    from filelock import FileLock, Timeout

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"state: another process is writing {folder}; expected one writer: "
            "wait for that job or cancel it, then start again"
        ) from None
    try:
        yield folder
    finally:
        lock.release()
