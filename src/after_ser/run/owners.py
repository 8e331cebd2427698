"""Who runs Snakemake in this folder, and how: what `resume` needs to know after a crash.

Snakemake's lock files do not name their owner. So every main process writes a file of its own
before it locks anything, and holds a kernel lock on it as long as it lives. Imported by the
Snakefile, hence light.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from after_ser.run.parent import ProcessRecord, this_process

FOLDER = Path(".snakemake/after_ser")
OWNERS, RUNS = "owners", "runs"
_kept_open: list[Any] = []  # a lock ends when its file is closed


@dataclass(frozen=True)
class Owner(ProcessRecord):
    """A main process of Snakemake, as its file describes it."""

    file: Path

    @property
    def here(self) -> bool:
        """Whether this machine can tell if it lives: the same kernel, or the machine restarted."""
        here = this_process()
        restarted = (self.host, self.machine) == (here["host"], here["machine"]) != (self.host, "")
        return restarted or self.same_kernel

    @property
    def alive(self) -> bool:
        """Whether it holds the lock of its file; only meaningful where `here` is True."""
        try:
            with open(self.file, "r+b") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False


def record_owner() -> None:
    """Write this process's file and hold its lock; a normal end of the process removes it.

    Does nothing where the folder cannot be written: Snakemake will say so itself.
    """
    folder = FOLDER / OWNERS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = (folder / f"{os.uname().nodename}-{os.getpid()}-{time.time_ns()}.json").absolute()
        handle = open(path, "w", encoding="utf-8")  # noqa: SIM115
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        json.dump(this_process(), handle)
        handle.flush()
    except OSError:
        return
    _kept_open.append(handle)
    process = os.getpid()

    def leave() -> None:
        if os.getpid() == process:  # not in a fork
            path.unlink(missing_ok=True)

    atexit.register(leave)


def record_run(run: str) -> None:
    """Record how `run` was started; called before its first job."""
    folder = FOLDER / RUNS
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{run}.{os.getpid()}.part"
        record = {"run": run, "arguments": arguments(), "started": time.time()}
        temporary.write_text(json.dumps(record), encoding="utf-8")
        os.replace(temporary, folder / f"{run}.json")


def arguments() -> list[str] | None:
    """Return the arguments of this Snakemake, None where it was not started by its command."""
    program = Path(sys.argv[0])
    if "snakemake" not in (program.name, program.parent.name):
        return None
    return sys.argv[1:]


def owners() -> list[Owner]:
    """Return every main process that has a file, of this machine and of others."""
    left = []
    for file in sorted((FOLDER / OWNERS).glob("*.json")):
        name, pid, _ = file.stem.rsplit("-", 2)
        try:
            left.append(Owner(**json.loads(file.read_text(encoding="utf-8")), file=file))
        except FileNotFoundError:
            continue
        except (ValueError, TypeError):  # killed while it was writing: the name says enough
            left.append(Owner(name, "", "", int(pid), file))
    return left


def runs() -> list[dict[str, Any]]:
    """Return the runs that were started here, the latest first."""
    started = []
    for file in (FOLDER / RUNS).glob("*.json"):
        with suppress(OSError, ValueError):
            started.append(json.loads(file.read_text(encoding="utf-8")))
    return sorted(started, key=lambda run: run["started"], reverse=True)
