"""Wall time and compute time of a step, as timing.json holds them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stopwatch:
    """Times a step: wall time since creation, compute time inside `computing()`.

    `carried` continues a resumed step: its earlier attempts' seconds are added up, because a
    step that was killed and resumed did cost both attempts.
    """

    def __init__(self, carried: dict[str, Any] | None = None) -> None:
        """Start the clock; `carried` is an earlier `read()` of the same step."""
        self._start = time.perf_counter()
        self._computing: float | None = None
        self._wall = self._compute = 0.0
        self.attempts = 1
        self.carry(carried or {})

    def carry(self, carried: dict[str, Any]) -> None:
        """Add an earlier attempt's record to this one's."""
        self._wall += float(carried.get("wall_s", 0.0))
        self._compute += float(carried.get("compute_s", 0.0))
        self.attempts += int(carried.get("attempts", 0))

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Count the enclosed seconds as compute (training, scoring), not loading or imports."""
        self._computing = time.perf_counter()
        try:
            yield
        finally:
            self._compute += time.perf_counter() - self._computing
            self._computing = None

    def read(self, step: str, device: str, threads: int) -> dict[str, Any]:
        """Return the record for timing.json; seconds are totals over all attempts."""
        now = time.perf_counter()
        running = 0.0 if self._computing is None else now - self._computing
        return {
            "step": step,
            "device": device,
            "threads": threads,
            "attempts": self.attempts,
            "wall_s": round(self._wall + now - self._start, 3),
            "compute_s": round(self._compute + running, 3),
        }
