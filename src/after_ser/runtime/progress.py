"""Saving the state of a long fit: every few minutes, and when it is told to end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from after_ser.runtime.checkpoint import Checkpoints
from after_ser.runtime.environment import CHECKPOINT_MINUTES
from after_ser.runtime.termination import EXIT_STATUS, Termination
from after_ser.runtime.timing import Stopwatch

State = Callable[[], dict[str, Any]]


class Progress:
    """The state folder of one job, and when its state is saved.

    A fit is often over in less time than its state takes to be written, so states are saved by the
    clock: a job that was killed loses `checkpoint_minutes` of the config at most, one that was
    terminated a batch.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        identity: Callable[[], Any],
        watch: Stopwatch,
        termination: Termination,
    ) -> None:
        """`identity` is as in Checkpoints; it is only asked for when there is something to save."""
        self._name, self._folder, self._identity = name, folder, identity
        self._watch, self._termination = watch, termination
        self._made: Checkpoints | None = None
        self._every = 60 * float(os.environ.get(CHECKPOINT_MINUTES, "10"))
        self._saved = time.monotonic()
        self._last: tuple[int, State] | None = None

    def resume(self) -> dict[str, Any] | None:
        """Return the newest state of an earlier attempt, or None; its time counts as ours."""
        newest = self._checkpoints().load() if self._folder.is_dir() else None
        if newest is None:
            return None
        done, saved = newest
        self._watch.carry(saved["timing"])
        _say(f"{self._name}: resuming after step {done}")
        state: dict[str, Any] = saved["state"]
        return state

    def reached(self, step: int, state: State) -> None:
        """Note that `step` steps are done; save `state()` if it is time, end if we have to."""
        self._last = step, state
        if time.monotonic() - self._saved >= self._every:
            self._save()
        self.check()

    def check(self) -> None:
        """Where the job was told to end, save what was reached and exit with status 143."""
        if not self._termination.requested:
            return
        if self._last is not None:
            self._save()
            _say(f"{self._name}: {self._termination.reason}; step {self._last[0]} is saved")
        raise SystemExit(EXIT_STATUS)

    def finish(self) -> None:
        """Call it when the outputs are written: the states are removed.

        Where Snakemake is gone, nobody has noted that the job is done, and it will be started
        again; then the last state stays for it.
        """
        if self._termination.orphaned:
            self.check()
        if self._folder.is_dir():
            self._checkpoints().clear()

    def _save(self) -> None:
        assert self._last is not None
        step, state = self._last
        timing = self._watch.read(self._name, "", 0)
        self._checkpoints().save(step, {"state": state(), "timing": timing})
        self._saved = time.monotonic()

    def _checkpoints(self) -> Checkpoints:
        if self._made is None:
            self._made = Checkpoints(self._folder, self._identity())
        return self._made


def _say(text: str) -> None:
    print(text, file=sys.stderr)
