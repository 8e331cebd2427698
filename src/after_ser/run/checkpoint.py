"""Resumable training state: atomic checkpoints that only the same run continues from.

They are in a folder that is not a rule's output, since Snakemake deletes outputs of failed jobs.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from after_ser.core.errors import InputError
from after_ser.run.weights import read_weights

KEPT = 2  # the newest, and the one before it in case the newest is damaged


def identity_hash(identity: Any) -> str:
    """Return the identity of a run: 16 hexadecimal digits of the SHA-256 of a JSON value."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Checkpoints:
    """Checkpoints of one run in one folder, named step{step}.{identity}.{content}.pt.

    The name carries the hash of the content, so that a truncated or altered file is recognised.
    """

    def __init__(self, folder: str | os.PathLike[str], identity: Any) -> None:
        """`identity` is a JSON value of everything that decides the run's result."""
        self.folder = Path(folder)
        self._identity = identity_hash(identity)

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write `state` (tensors and plain values) after `step` finished steps; keep the last two.

        The file is flushed to the disk before it gets its name.
        """
        import torch

        temporary = self.folder / f".step{step:08d}.{os.getpid()}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as handle:
                torch.save({"step": step, "state": state}, handle)
                handle.flush()
                os.fsync(handle.fileno())
            target = self.folder / f"step{step:08d}.{self._identity}.{_digest(temporary)}.pt"
            os.replace(temporary, target)
        except (OSError, RuntimeError) as error:  # torch turns a full disk into a RuntimeError
            raise InputError(
                f"checkpoint: cannot write {self.folder} after step {step} "
                f"({' '.join(str(error).split())[:200]}); expected a folder that can be written "
                "and has room: the checkpoint before it is still there to go on from"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        for old in self._own()[:-KEPT]:
            old.unlink(missing_ok=True)
        return target

    def load(self) -> tuple[int, dict[str, Any]] | None:
        """Return (finished steps, state) of the newest whole checkpoint of this run, or None.

        A notice on stderr names each file that was passed over, and why. The caller holds the
        folder's lock: halves that a killed writer left are removed.
        """
        for path in self.folder.glob(".step*.part"):  # left by a killed writer
            path.unlink(missing_ok=True)
        for path in sorted(set(self._all()) - set(self._own())):
            _notice(f"ignoring {path}: it was written with other settings, data or seed")
        for path in reversed(self._own()):
            if path.name.split(".")[2] != _digest(path):
                _notice(f"ignoring {path}: it is truncated or altered")
                continue
            try:
                saved = read_weights(path, "state")
                return int(saved["step"]), saved["state"]
            except (InputError, KeyError, TypeError) as error:
                _notice(f"ignoring {path}: {type(error).__name__} while reading it ({error})")
        return None

    def clear(self) -> None:
        """Remove all checkpoints, also of other settings, and the folder if it is then empty."""
        if not self.folder.is_dir():
            return
        for path in [*self._all(), *self.folder.glob(".step*.part")]:
            path.unlink(missing_ok=True)
        leftovers = {path.name for path in self.folder.iterdir()}
        if leftovers <= {"lock"}:
            for name in leftovers:
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()

    def _all(self) -> list[Path]:
        return sorted(self.folder.glob("step*.*.*.pt"))

    def _own(self) -> list[Path]:
        return sorted(self.folder.glob(f"step*.{self._identity}.*.pt"))


def _digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]


def _notice(text: str) -> None:
    print(f"notice: checkpoint: {text}", file=sys.stderr)
