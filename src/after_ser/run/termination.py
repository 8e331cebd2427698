"""Tells a long job between two steps that it has to end: SIGTERM, Ctrl-C, Snakemake is gone."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from after_ser.run.parent import Parent

#: 128 + SIGTERM, what a shell reports for a process that was terminated.
EXIT_STATUS = 143


class Termination:
    """Context manager: `requested` turns true when the job has to end; old handlers come back.

    SIGTERM is a time limit, preemption or cancelling; SIGINT is Ctrl-C, of which a second one ends
    the process at once. A job whose Snakemake was killed has to end too: whatever it writes would
    be made again. Only a process's main thread may handle signals; in another one none is noticed.
    """

    def __init__(self) -> None:
        """Nothing was requested yet."""
        self._signalled = False
        self._parent = Parent()

    @property
    def requested(self) -> bool:
        """Whether the job has to save its state and end."""
        return self._signalled or self._parent.gone

    @property
    def orphaned(self) -> bool:
        """Whether nobody waits for this job any more."""
        return self._parent.gone

    @property
    def reason(self) -> str:
        """Why, for the log."""
        return "terminated" if self._signalled else "its Snakemake is gone"

    def __enter__(self) -> Termination:
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._previous: dict[int, Any] = {
                number: signal.signal(number, self._handle)
                for number in (signal.SIGTERM, signal.SIGINT)
            }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._main:
            for number, previous in self._previous.items():
                signal.signal(number, previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._signalled:
            raise KeyboardInterrupt
        self._signalled = True
