"""The one line at the end of a run that waits for a person.

Snakemake has no hook for a run that finds nothing to do, so the line is written when the process
ends: after a run that succeeded, and after one that started no job. Light on imports.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import chdir

from after_ser.core.errors import InputError
from after_ser.studies.annotation.state import State, waiting_line


class Ending:
    """Says at the end of the main process what a person has to do; knows how the run went."""

    def __init__(self, read: Callable[[], State], pages: Sequence[str], dry: bool) -> None:
        """Arrange for the line. `read` returns the state at the end; `dry` runs write no list.

        pages: of the rounds' progress, in their order.
        """
        self._read, self._pages, self._dry = read, pages, dry
        self._folder = os.getcwd()  # which Snakemake leaves at the end of a run with --directory
        self._failed = False
        atexit.register(self._say)

    def started(self) -> None:
        """Note that jobs are about to run: until they have succeeded there is nothing to say."""
        self._failed = True

    def succeeded(self) -> None:
        """Note that every job has succeeded."""
        self._failed = False

    def _say(self) -> None:
        if self._failed:
            return
        try:
            with chdir(self._folder):
                state = self._read()
                if not self._dry:
                    from after_ser.studies.annotation.publish import write_lists

                    write_lists(state)
                line = waiting_line(state, self._pages)
        except (InputError, OSError) as error:
            line = f"error: {error}"
        if line:
            print(line, file=sys.stderr, flush=True)
