"""Writing an exported folder whole or not at all, and never over somebody else's files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from after_ser.core.errors import InputError
from after_ser.model.save import file_sha256
from after_ser.run.atomic import atomic_folder, read_json, write_json

#: What was exported, and the SHA-256 of every other file of the folder.
RECORD = "export.json"


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` that takes its place on success, or else vanishes.

    Raises InputError where `target` holds anything but an earlier export that nobody has changed.
    """
    _expect_replaceable(target)
    with atomic_folder(target) as folder:
        yield folder


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write export.json: `record`, and the checksum of every file that is there."""
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
    write_json(folder / RECORD, {**record, "files": files})


def _expect_replaceable(target: Path) -> None:
    expected = "expected a new folder, or an earlier export as it was written (OUT= names another)"
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise InputError(f"export: {target} is not a folder; {expected}")
    if not target.exists() or not any(target.iterdir()):
        return
    if not (target / RECORD).is_file():
        raise InputError(f"export: {target} has files of others in it; {expected}")
    record = read_json(target / RECORD)
    files = record.get("files") if isinstance(record, dict) else None
    checksums = files if isinstance(files, dict) else {}
    for path in sorted(target.iterdir()):
        if path.name == RECORD:
            continue
        if not path.is_file() or checksums.get(path.name) != file_sha256(path):
            raise InputError(f"export: {path} is not what was exported; {expected}")
