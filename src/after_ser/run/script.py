"""How every workflow script runs: one at a time per output, with one line for a user's mistake.

Two processes never write one job's outputs at the same time: a job whose Snakemake was killed may
still run when the next one starts it again.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from after_ser.core.errors import InputError
from after_ser.run.atomic import remove_parts
from after_ser.run.checkpoint import identity_hash
from after_ser.run.lock import one_writer

#: Errors of a disk that is full or may not be written.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
LOCKS = ".locks"


class _Tee:
    """Writes to several streams, so that a notice is seen and logged; a full disk stops neither."""

    def __init__(self, *streams: TextIO) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        # a file's name in a notice may not be UTF-8
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        for stream in self._streams:
            with suppress(OSError):
                stream.write(text)
                stream.flush()
        return len(text)

    def flush(self) -> None:
        for stream in self._streams:
            with suppress(OSError):
                stream.flush()


def run_script(main: Callable[[Any], None], namespace: dict[str, Any]) -> None:
    """Run `main(snakemake)` where Snakemake put its object into `namespace`, the script's globals.

    Nothing is done where the script was imported by a test, or by a process that `main` started.
    Notices and errors go to the rule's log as well as to the screen. An InputError ends the
    process with exit status 1 and its one line, and so does a disk that is full or must not be
    written; any other exception keeps its traceback, in the log.
    """
    snakemake = namespace.get("snakemake")
    if snakemake is None or namespace.get("__name__", "__main__") != "__main__":
        return
    log_path = snakemake.log[0] if snakemake.log else None
    if log_path is None:
        _run(main, snakemake, None)
        return
    try:
        log = open(log_path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    except OSError as error:
        print(f"error: {_disk(error)}", file=sys.stderr)
        raise SystemExit(1) from None
    screen = sys.stderr
    sys.stderr = _Tee(screen, log)
    try:
        _run(main, snakemake, log)
    finally:
        sys.stderr = screen
        with suppress(OSError):
            log.close()


def _run(main: Callable[[Any], None], snakemake: Any, log: TextIO | None) -> None:
    try:
        with _only_writer(snakemake) as finished:
            if not finished:
                main(snakemake)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except Exception as error:
        if log is not None:
            with suppress(OSError):
                traceback.print_exc(file=log)
                log.flush()
            if isinstance(error, OSError) and error.errno in _DISK:
                print(f"error in rule {snakemake.rule}: {_disk(error)}", file=sys.stderr)
            else:
                print(
                    f"error in rule {snakemake.rule}: {type(error).__name__}: {error} "
                    f"(traceback in {log.name})",
                    file=sys.stderr,
                )
            raise SystemExit(1) from None
        raise


def _disk(error: OSError) -> str:
    where = error.filename or error.filename2 or "an output"
    return (
        f"{where}: {os.strerror(error.errno or 0)}; expected a disk that can be written and has "
        "room: make resume continues from there"
    )


@contextmanager
def _only_writer(snakemake: Any) -> Iterator[bool]:
    """Hold the job's lock; yield True if a process that we waited for has done the same job.

    Snakemake removes a job's outputs before it starts it. If all are there once the lock is free,
    the other process wrote them; it did the same job if rule, inputs and params are the same.
    """
    outputs = sorted(str(path) for path in snakemake.output)
    if not outputs:
        yield False
        return
    job = identity_hash([snakemake.rule, outputs, _inputs(snakemake), _params(snakemake)])
    lock = _folder(Path(outputs[0])) / f"{snakemake.rule}-{identity_hash(outputs)}"
    with one_writer(lock, outputs[0], job) as other:
        for path in outputs:
            remove_parts(Path(path))
        done = other is not None and other.job == job and all(map(os.path.exists, outputs))
        if done:
            print(f"notice: {other} has finished {outputs[0]}: nothing is left", file=sys.stderr)
        yield done


def _folder(output: Path) -> Path:
    """Return the folder of a job's lock, in results/ but no output of any rule."""
    parts = output.parts
    if len(parts) > 2 and parts[0] == "results":
        return Path(parts[0], parts[1], LOCKS)
    return output.parent / LOCKS


def _inputs(snakemake: Any) -> list[list[Any]]:
    inputs = []
    for path in snakemake.input:
        status = os.stat(path)
        inputs.append([str(path), status.st_mtime_ns, status.st_size])
    return inputs


def _params(snakemake: Any) -> str:
    params = snakemake.params
    return repr(sorted(params.items())) if hasattr(params, "items") else repr(params)
