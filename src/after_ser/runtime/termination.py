"""Noticing SIGTERM (time limit, preemption, cancelling) between two steps of a long job."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

#: 128 + SIGTERM, what a shell reports for a process that was terminated.
EXIT_STATUS = 143


class Termination:
    """Context manager: `requested` turns true when SIGTERM arrives; the old handler comes back.

    Only a process's main thread may handle signals; in another one nothing is noticed.
    """

    def __init__(self) -> None:
        """Nothing was requested yet."""
        self.requested = False

    def __enter__(self) -> Termination:
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._previous = signal.signal(signal.SIGTERM, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._main:
            signal.signal(signal.SIGTERM, self._previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
