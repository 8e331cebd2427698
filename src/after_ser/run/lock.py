"""One writer per folder or job: a job that Snakemake lost sight of may still be running.

The lock is the kernel's (flock), so that it is free again the moment its holder is dead, however it
died. What the lock file says about the holder is only for messages and for the question whether it
is worth waiting for.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from after_ser.core.errors import InputError
from after_ser.run.parent import Parent, ProcessRecord, alive, this_process

LOCK = "lock"
_PAUSE_S = 0.25
_UNNAMED_S = 5.0  # a holder may take this long to write its record after getting the lock


@dataclass(frozen=True)
class Holder(ProcessRecord):
    """Who wrote a lock file, which job it was, and the Snakemake above it (Parent.record)."""

    job: str
    snakemake: dict[str, Any]

    @property
    def orphaned(self) -> bool:
        """Whether its Snakemake is known to be dead; on another machine that is never known."""
        return self.same_kernel and bool(self.snakemake) and not alive(**self.snakemake)


@contextmanager
def exclusive(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Hold the folder's lock, creating the folder if needed; the kernel frees it if we die.

    Raises InputError at once where another process holds it. It waits only for a process whose
    Snakemake was killed, since that one ends at its next step.
    """
    folder = Path(folder)
    with one_writer(folder / LOCK, str(folder)):
        yield folder


@contextmanager
def one_writer(path: Path, what: str, job: str = "") -> Iterator[Holder | None]:
    """Hold the lock file `path`; yield whom we had to wait for, or None.

    `what` is written under the lock (for messages), `job` names what the holder does. The file is
    removed afterwards. Raises InputError as `exclusive` does.
    """
    from filelock import FileLock

    lock = FileLock(path, fallback_to_soft=False)
    waited = _acquire(lock, path, what)
    try:
        holder = Holder(**this_process(), job=job, snakemake=Parent().record())
        path.write_text(json.dumps(vars(holder)) + "\n", encoding="utf-8")
        yield waited
    finally:
        # while the lock is held: a process that has opened this file will see it was removed
        with suppress(OSError):
            path.unlink()
        with suppress(OSError):  # only succeeds once the folder is empty
            path.parent.rmdir()
        lock.release()


def _acquire(lock: Any, path: Path, what: str) -> Holder | None:
    from filelock import Timeout

    waited: Holder | None = None
    unnamed_until = time.monotonic() + _UNNAMED_S
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
            return waited
        except FileNotFoundError:  # whoever held it has just removed the empty folder
            continue
        except Timeout:
            holder = _read(path)
        if holder is not None and holder.orphaned:
            if waited is None:
                print(
                    f"notice: waiting for {holder}, which still writes {what} though its "
                    "Snakemake is gone; it ends at its next step",
                    file=sys.stderr,
                )
            waited = holder
        elif holder is not None or time.monotonic() > unnamed_until:
            raise InputError(
                f"state: another process is writing {what} ({holder or 'which one is not known'}); "
                "expected one writer: wait for that job or cancel it, then start again"
            )
        time.sleep(_PAUSE_S)


def _read(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
