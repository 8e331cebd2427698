"""The Snakemake process that started a job: if it is gone, nobody waits for the job's result."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import psutil

_VARIABLE = "AFTER_SER_SNAKEMAKE"
_PAUSE_S = 0.2  # between two checks; a training step may take less time than a check
_SAME_START_S = 1.0  # start times that two processes compute may differ by this much


def announce() -> None:
    """Tell the jobs that this process will start that it is their Snakemake."""
    os.environ[_VARIABLE] = str(os.getpid())


@dataclass(frozen=True)
class ProcessRecord:
    """A process as it is described in a file; "" for what is not known of its machine."""

    host: str
    machine: str  # /etc/machine-id
    boot: str  # the kernel's boot_id
    pid: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def same_kernel(self) -> bool:
        """Whether it belongs to the kernel that runs here now, so that its pid means something."""
        return self.boot != "" and self.boot == this_process()["boot"]


def this_process() -> dict[str, Any]:
    """Return the fields of this process's ProcessRecord."""
    return {
        "host": os.uname().nodename,
        "machine": _line("/etc/machine-id"),
        "boot": _line("/proc/sys/kernel/random/boot_id"),
        "pid": os.getpid(),
    }


def _line(path: str) -> str:
    try:
        with open(path, encoding="ascii") as handle:
            return handle.read().strip()
    except OSError:
        return ""


def alive(pid: int, started: float) -> bool:
    """Return whether the process of this number that began at `started` still runs."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < _SAME_START_S and _runs(process)
    except psutil.NoSuchProcess:
        return False


def _runs(process: psutil.Process) -> bool:
    """Return whether the process runs; a zombie does not."""
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Parent:
    """The Snakemake that started this process; none where a script was started by hand."""

    def __init__(self) -> None:
        """Look for it among this process's ancestors, since the variable may be inherited."""
        wanted = os.environ.get(_VARIABLE, "")
        above = [p for p in psutil.Process().parents() if str(p.pid) == wanted]
        self._process = above[0] if above else None
        self._gone, self._looked = False, 0.0

    def record(self) -> dict[str, Any]:
        """Return {"pid", "started"} of it, {} where there is none."""
        if self._process is None:
            return {}
        return {"pid": self._process.pid, "started": self._process.create_time()}

    @property
    def gone(self) -> bool:
        """Whether there was one and it has ended."""
        now = time.monotonic()
        if self._process and not self._gone and now - self._looked >= _PAUSE_S:
            self._looked = now
            self._gone = not _runs(self._process)
        return self._gone
