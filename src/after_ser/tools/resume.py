"""`make resume`: go on with an interrupted run, whatever interrupted it.

Snakemake's lock of the folder is removed only where everybody who may have set it is proven dead.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from after_ser.core.errors import InputError
from after_ser.run.damage import find_damage, set_aside
from after_ser.run.owners import FOLDER, Owner, owners, runs

SNAKEMAKE_LOCKS = Path(".snakemake/locks")


def resume(run: str, arguments: Sequence[str]) -> list[str]:
    """Make the folder ready and return the command that goes on.

    `run` names the run, "" the last one that was started; `arguments` replace those it was started
    with. Raises InputError, with nothing changed, where another Snakemake works here or may do so.
    """
    from filelock import FileLock, Timeout

    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(FOLDER / "resume.lock", timeout=0, fallback_to_soft=False):
            free_folder()
            name, given = _how(run, list(arguments))
            _put_damage_aside(name)
    except Timeout:
        raise InputError("resume: another resume is at work in this folder") from None
    command = [sys.executable, "-m", "snakemake", *given]
    return command if "--rerun-incomplete" in given else [*command, "--rerun-incomplete"]


def run_command(command: list[str]) -> None:
    """Become `command`, so that signals reach Snakemake itself."""
    print(f"notice: going on with {' '.join(command[2:])}", file=sys.stderr, flush=True)
    os.execv(command[0], command)  # noqa: S606  no shell is what is wanted


def free_folder() -> None:
    """Remove Snakemake's lock where its owner is dead; InputError where that is not certain."""
    recorded = owners()
    for owner in recorded:
        _expect_dead(owner)
    locked = SNAKEMAKE_LOCKS.is_dir() and any(SNAKEMAKE_LOCKS.iterdir())
    if locked and not recorded:
        raise InputError(
            f"resume: {SNAKEMAKE_LOCKS} is locked by a Snakemake that left no record of itself; "
            "expected one of this version: if none runs in this folder on any machine, "
            "`snakemake --unlock` removes the lock"
        )
    if locked:
        shutil.rmtree(SNAKEMAKE_LOCKS)
        who = ", ".join(str(owner) for owner in recorded)
        print(f"notice: removed the lock of {who}, which is dead", file=sys.stderr)
    for owner in recorded:
        owner.file.unlink(missing_ok=True)


def _expect_dead(owner: Owner) -> None:
    if not owner.here:
        raise InputError(
            f"resume: {owner} may still run Snakemake in this folder; expected to be started on "
            f"that machine: do so, or, if it is certain that this process is dead, delete "
            f"{owner.file} and try again"
        )
    if owner.alive:
        raise InputError(
            f"resume: Snakemake still runs in this folder ({owner}); expected none: wait for it, "
            "or end it"
        )


def _how(run: str, arguments: list[str]) -> tuple[str, list[str]]:
    """Return (name of the run, arguments of Snakemake)."""
    started = runs()
    if not run and arguments:
        return "", arguments
    chosen = next((other for other in started if run in ("", other["run"])), None)
    if chosen is None:
        names = ", ".join(other["run"] for other in started) or "none"
        raise InputError(
            f"resume: no {'run ' + run if run else 'run'} was started in this folder; expected one "
            f"of: {names} (or say how to start it: make resume ARGS='--configfile …')"
        )
    given = arguments or chosen["arguments"]
    if given is None:
        raise InputError(
            f"resume: run {chosen['run']} was not started by the command snakemake; expected its "
            "arguments: make resume ARGS='--configfile …'"
        )
    return str(chosen["run"]), list(given)


def _put_damage_aside(run: str) -> None:
    results = Path("results")
    folders = [results / run, results / "corpora"] if run else [results]
    for path, reason in find_damage(folders):
        target = set_aside(path)
        print(
            f"notice: {path}: {reason}; kept as {target.name} and made again where it is needed",
            file=sys.stderr,
        )
