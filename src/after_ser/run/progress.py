"""Saves the state of a long fit, every few minutes and when it is told to end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from after_ser.run.checkpoint import Checkpoints
from after_ser.run.environment import CHECKPOINT_MINUTES
from after_ser.run.termination import EXIT_STATUS, Termination
from after_ser.run.timing import Stopwatch

State = Callable[[], dict[str, Any]]


class Progress:
    """The state folder of one job, and when its state is saved.

    A fit is often over in less time than its state takes to be written, so states are saved by the
    clock: a job that was killed loses `checkpoint_minutes` of the config at most, one that was
    terminated a batch. A long training may count steps instead.
    """

    def __init__(
        self,
        name: str,
        folder: str | os.PathLike[str],
        identity: Callable[[], Any],
        watch: Stopwatch,
        termination: Termination,
        steps: int = 0,
        writes: bool = True,
        anywhere: Callable[[bool], bool] = bool,
    ) -> None:
        """`identity` is as in Checkpoints; it is only asked for when there is something to save.

        steps:    how many lie between two states; 0: the clock decides.
        writes:   whether this process does; of several that share a job, which then have to count
                  steps, only one.
        anywhere: flag -> whether it is set in one of them; they all have to ask.
        """
        self._name, self._folder, self._identity = name, Path(folder), identity
        self._watch, self._termination = watch, termination
        self._made: Checkpoints | None = None
        self._steps, self._writes, self._anywhere = steps, writes, anywhere
        self._seconds = 60 * float(os.environ.get(CHECKPOINT_MINUTES, "10"))
        self._saved, self._saved_step = time.monotonic(), 0
        self._last: tuple[int, State] | None = None

    def resume(self) -> dict[str, Any] | None:
        """Return the newest state of an earlier attempt, or None; its time counts as ours."""
        newest = self._checkpoints().load() if self._folder.is_dir() else None
        if newest is None:
            return None
        self._saved_step, saved = newest
        self._watch.carry(saved["timing"])
        say(f"{self._name}: resuming after step {self._saved_step}")
        state: dict[str, Any] = saved["state"]
        return state

    def reached(self, step: int, state: State) -> None:
        """Note that `step` steps are done; end if we have to, save `state()` if it is time."""
        self._last = step, state
        self.check()
        if self._steps:
            due = step - self._saved_step >= self._steps
        else:
            due = time.monotonic() - self._saved >= self._seconds
        if due:
            self._save()

    def check(self) -> None:
        """Where the job was told to end, save what was reached and exit with status 143."""
        if not self._anywhere(self._termination.requested):
            return
        if self._last is not None:
            self._save()
            say(f"{self._name}: {self._termination.reason}; step {self._last[0]} is saved")
        raise SystemExit(EXIT_STATUS)

    def finish(self) -> None:
        """Call it when the outputs are written: the states are removed.

        Where Snakemake is gone, nobody has noted that the job is done, and it will be started
        again; then the last state stays for it.
        """
        if self._anywhere(self._termination.orphaned):
            self.check()
        if self._writes and self._folder.is_dir():
            self._checkpoints().clear()

    def _save(self) -> None:
        assert self._last is not None
        step, state = self._last
        if self._writes:
            timing = self._watch.read(self._name, "", 0)
            self._checkpoints().save(step, {"state": state(), "timing": timing})
        self._anywhere(False)  # nobody leaves before it is saved
        self._saved, self._saved_step = time.monotonic(), step

    def _checkpoints(self) -> Checkpoints:
        if self._made is None:
            self._made = Checkpoints(self._folder, self._identity())
        return self._made


def say(text: str) -> None:
    """Print a line to the job's log."""
    print(text, file=sys.stderr)
