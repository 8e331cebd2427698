"""How every workflow script runs: one line for a user's mistake, a full log for everything else."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any, TextIO

from after_ser.errors import InputError


class _Tee:
    """Writes to several streams, so that a notice is seen and logged."""

    def __init__(self, *streams: TextIO) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        # a notice may name a file whose name is not UTF-8
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        for stream in self._streams:
            stream.write(text)
            stream.flush()
        return len(text)

    def flush(self) -> None:
        for stream in self._streams:
            stream.flush()


def run_script(main: Callable[[Any], None], namespace: dict[str, Any]) -> None:
    """Run `main(snakemake)` where Snakemake put its object into `namespace`, else do nothing.

    Notices and errors go to the rule's log as well as to the screen. An InputError ends the
    process with exit status 1 and its one line; any other exception keeps its traceback, in
    the log.
    """
    snakemake = namespace.get("snakemake")
    if snakemake is None:  # imported by a test
        return
    log_path = snakemake.log[0] if snakemake.log else None
    if log_path is None:
        _run(main, snakemake, None)
        return
    with open(log_path, "w", encoding="utf-8", errors="backslashreplace") as log:
        screen = sys.stderr
        sys.stderr = _Tee(screen, log)
        try:
            _run(main, snakemake, log)
        finally:
            sys.stderr = screen


def _run(main: Callable[[Any], None], snakemake: Any, log: TextIO | None) -> None:
    try:
        main(snakemake)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except Exception as error:
        if log is not None:
            traceback.print_exc(file=log)
            print(
                f"error in rule {snakemake.rule}: {type(error).__name__}: {error} "
                f"(traceback in {log.name})",
                file=sys.stderr,
            )
            raise SystemExit(1) from None
        raise
