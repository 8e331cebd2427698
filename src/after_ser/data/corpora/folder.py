"""Any folder of audio, with labels for all of it, some or none."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.core.errors import InputError
from after_ser.data.corpora.base import Corpus, Utterance
from after_ser.data.corpora.files import NOT_READ, cannot_be_read, child, find_clips, is_file
from after_ser.data.corpora.label_files import notice_unread, read_rows

#: What libsndfile reads and people have.
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".w64", ".caf")
_COLUMNS = ("path", "label", "speaker", "session", "gender", "language", "text_id")
_GENDERS = {"": "", "f": "female", "female": "female", "m": "male", "male": "male"}


class Folder(Corpus):
    """All audio below a folder, with a table `labels.csv` of its labels, if there is one.

    Columns, in any order and case, separated by comma, semicolon or tab: `path` (relative to the
    table, with or without suffix), and where known `label`, `speaker`, `session`, `gender`,
    `language`, `text_id`. Clips without a row, or with an empty label, are not labelled. A clip is
    named by its path without suffix. options: `table`, another name of the table, which must then
    exist; `ignore`, shell patterns of files to leave out.
    """

    layout = "folder"
    example = "monday/0001.wav"
    default_labels: ClassVar[Mapping[str, str | None]] = {}
    known_options = frozenset({"table", "ignore"})

    def scan(self, root: Path, options: Mapping[str, Any]) -> Iterator[Utterance]:
        """Yield one utterance per audio file, in the order of paths."""
        ignore = options.get("ignore", [])
        patterns = [ignore] if isinstance(ignore, str) else [str(pattern) for pattern in ignore]
        clips = find_clips(root, self.layout, self.example, patterns, SUFFIXES, True)
        names = _names(root, clips)
        rows = _read_table(root, options, names)
        for path in clips:
            row = rows.get(path, {})
            yield Utterance(
                utt=names[path],
                path=path,
                speaker=row.get("speaker", ""),
                session=row.get("session", ""),
                gender=_GENDERS[row.get("gender", "").lower()],
                language=row.get("language", ""),
                text_id=row.get("text_id", ""),
                raw_label=row.get("label", ""),
            )


def _names(root: Path, clips: list[Path]) -> dict[Path, str]:
    """Return the name of every clip: its path without suffix, with it where two would be equal."""
    short = {path: _plain(path.relative_to(root).with_suffix("")) for path in clips}
    counts: dict[str, int] = {}
    for name in short.values():
        counts[name] = counts.get(name, 0) + 1
    return {
        path: name if counts[name] == 1 else _plain(path.relative_to(root))
        for path, name in short.items()
    }


def _plain(path: Path) -> str:
    return unicodedata.normalize("NFC", path.as_posix())


def _table(root: Path, options: Mapping[str, Any]) -> Path | None:
    """Return the table of labels, None where there is none; others that may be meant are named."""
    if "table" in options:
        table = root / str(options["table"])
        if not is_file(table):
            raise InputError(f"layout folder: the table {table} is missing; expected a csv")
        return table
    named = child(root, "labels.csv")
    if named is not None and is_file(named):
        return named
    others = sorted(
        path.name
        for path in root.iterdir()
        if path.suffix.lower() in (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".json")
        and not path.name.startswith(".")
    )
    if others:
        print(
            f"notice: {root} has no labels.csv, so no clip has a label or a speaker; it has "
            f"{', '.join(others[:5])} (options: {{table: {others[0]}}} reads that one, a csv)",
            file=sys.stderr,
        )
    return None


def _read_table(
    root: Path, options: Mapping[str, Any], names: Mapping[Path, str]
) -> dict[Path, dict[str, str]]:
    table = _table(root, options)
    if table is None:
        return {}
    by_path = {os.path.realpath(path): path for path in names}
    by_name = {os.path.realpath(root / name): path for path, name in names.items()}
    rows: dict[Path, dict[str, str]] = {}
    given = read_rows(table, "folder", ("path",), ", ".join(_COLUMNS), ",;\t")
    notice_unread(table, given, _COLUMNS)
    for line, row in given:
        where = f"layout folder: line {line} of {table}"
        wanted = unicodedata.normalize("NFC", row["path"])
        texts = (row["path"], wanted, wanted.replace("\\", "/"))
        candidates = [os.path.realpath(table.parent / text) for text in texts]
        path = next(
            (known[one] for one in candidates for known in (by_path, by_name) if one in known), None
        )
        unread = [text for text in texts if Path(text).suffix.lower() in NOT_READ]
        if path is None and unread and is_file(table.parent / unread[-1]):
            raise InputError(f"{where}: {cannot_be_read([row['path']])}")
        if path is None:
            raise InputError(
                f"{where}: there is no audio file {row['path']!r}; expected a path relative to "
                f"{table.parent}"
            )
        if path in rows:
            raise InputError(f"{where}: {row['path']} has a row already; expected one per clip")
        if row.get("gender", "").lower() not in _GENDERS:
            raise InputError(
                f"{where}: gender is {row['gender']!r}, expected female, male or nothing"
            )
        rows[path] = row
    return rows
