"""The Snakemake process that started a job: a job whose Snakemake was killed works for nobody."""

from __future__ import annotations

import os
import time
from typing import Any

import psutil

_VARIABLE = "AFTER_SER_SNAKEMAKE"
_PAUSE_S = 0.2  # between two looks; a step of training may take less than looking


def announce() -> None:
    """Called where the Snakefile is read: jobs started from here have this process above them."""
    os.environ[_VARIABLE] = str(os.getpid())


def host() -> dict[str, str]:
    """Return this machine's name, its identity, and its running kernel's ("" where unknown)."""
    return {
        "host": os.uname().nodename,
        "machine": _line("/etc/machine-id"),
        "boot": _line("/proc/sys/kernel/random/boot_id"),
    }


def _line(path: str) -> str:
    try:
        with open(path, encoding="ascii") as handle:
            return handle.read().strip()
    except OSError:
        return ""


def birth(pid: int) -> float | None:
    """Return when a process began, None where there is none or only its shell (a zombie) is left.

    On Linux in ticks since the machine was started, which no change of the clock moves.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
            fields = handle.read().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else float(fields[19])
    except (FileNotFoundError, ProcessLookupError):
        if os.path.exists("/proc/self/stat"):
            return None
    try:
        process = psutil.Process(pid)
        dead = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return None if dead else float(process.create_time())
    except psutil.Error:
        return None


def alive(pid: int, started: float) -> bool:
    """Return whether the process of this number that began at `started` still runs."""
    return birth(pid) == started


class Parent:
    """The nearest Snakemake above this process; none where a script was started by hand."""

    def __init__(self) -> None:
        """Look for it among this process's ancestors, since the variable may be inherited."""
        self._pid, self._started = 0, 0.0
        self._gone, self._looked = False, 0.0
        wanted = os.environ.get(_VARIABLE, "")
        try:
            above = {str(ancestor.pid) for ancestor in psutil.Process().parents()}
        except psutil.Error:
            return
        began = birth(int(wanted)) if wanted in above else None
        if began is not None:
            self._pid, self._started = int(wanted), began

    def record(self) -> dict[str, Any]:
        """Return {"pid", "started"} of it, {} where there is none."""
        return {"pid": self._pid, "started": self._started} if self._pid else {}

    @property
    def gone(self) -> bool:
        """Whether it existed and has ended."""
        if self._pid and not self._gone:
            now = time.monotonic()
            if now - self._looked >= _PAUSE_S:
                self._looked = now
                self._gone = not alive(self._pid, self._started)
        return self._gone
