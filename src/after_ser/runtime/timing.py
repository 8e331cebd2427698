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
        carried = carried or {}
        self._start = time.perf_counter()
        self._wall = float(carried.get("wall_s", 0.0))
        self._compute = float(carried.get("compute_s", 0.0))
        self.attempts = int(carried.get("attempts", 0)) + 1

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Count the enclosed seconds as compute (training, scoring), not loading or imports."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._compute += time.perf_counter() - start

    def read(self, step: str, device: str, threads: int) -> dict[str, Any]:
        """Return the record for timing.json; seconds are totals over all attempts."""
        return {
            "step": step,
            "device": device,
            "threads": threads,
            "attempts": self.attempts,
            "wall_s": round(self._wall + time.perf_counter() - self._start, 3),
            "compute_s": round(self._compute, 3),
        }
