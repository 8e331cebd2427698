"""Any folder of audio with a table: how people bring their own speech."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.core.errors import InputError
from after_ser.data.corpora.base import Corpus, Utterance
from after_ser.data.corpora.files import check_root, find_clips, is_file
from after_ser.data.corpora.label_files import (
    notice_unread,
    number,
    read_rows,
    resolve_path,
)

_REQUIRED = ("path", "speaker")
_RATINGS = ("valence", "arousal", "dominance")
_OPTIONAL = ("utt", "session", "gender", "language", "text_id", "label", *_RATINGS, "start", "end")
#: A time as audformat writes it, e.g. "0 days 00:01:02.5"; plain seconds are read too.
_TIME = re.compile(r"(?:(\d+) days? )?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_GENDERS = {"": "", "f": "female", "female": "female", "m": "male", "male": "male"}


class Table(Corpus):
    """A folder of audio and a table (`metadata.csv`, or options: {table: name}).

    Columns, in any order and case, separated by comma, semicolon or tab: `path` (relative to the
    table, or absolute) and `speaker`, which folds are made by; and, where known, `utt`, `session`,
    `gender` (female, male or empty), `language` (ISO 639-1), `text_id`, `label`, `valence`,
    `arousal`, `dominance`. With `start` and `end` (seconds, or as audformat writes them; empty is
    the file's own) a row is a part of a file, which may have several. Other columns are not read,
    and named in a notice. An empty label is a clip nobody has labelled yet. Without `utt`, a clip
    is named by its path without suffix, which stays the same when clips are added. There is no
    table of labels: class names are taken as they are, and the config's `labels` maps others.
    """

    layout = "csv"
    example = "metadata.csv"
    default_labels: ClassVar[Mapping[str, str | None]] = {}
    known_options = frozenset({"table"})

    def scan(self, root: Path, options: Mapping[str, Any]) -> Iterator[Utterance]:
        """Yield one utterance per row; audio below the root that no row names is counted."""
        check_root(root, self.layout, "a folder with audio and a table metadata.csv")
        name = str(options.get("table", self.example))
        table = root / name
        if not is_file(table):
            raise InputError(
                f"layout csv: the table {table} is missing; expected a csv or tsv with the "
                "columns path and speaker (another name goes into the corpus's options as table)"
            )
        rows = read_rows(
            table,
            self.layout,
            _REQUIRED,
            f"{', '.join(_REQUIRED)} and, where known, {', '.join(_OPTIONAL)}",
            ",;\t",
        )
        if not rows:
            raise InputError(f"layout csv: {table} has no rows; expected one per clip")
        notice_unread(table, rows, (*_REQUIRED, *_OPTIONAL))
        listed = set()
        for line, row in rows:
            utterance = _utterance(table, line, row)
            listed.add(os.path.realpath(utterance.path))
            yield utterance
        _notice_unlisted(root, table, listed)


def _utterance(table: Path, line: int, row: dict[str, str]) -> Utterance:
    where = f"layout csv: line {line} of {table}"
    for column in _REQUIRED:
        if not row[column]:
            raise InputError(f"{where}: {column} is empty, expected a value for every clip")
    path = resolve_path(table.parent, row["path"])
    if not is_file(path):
        raise InputError(
            f"{where}: there is no file {path}; expected an absolute path or one relative to "
            f"{table.parent}"
        )
    gender = row.get("gender", "").lower()
    if gender not in _GENDERS:
        raise InputError(f"{where}: gender is {gender!r}, expected female, male or nothing")
    ratings = {name: _number(row.get(name, ""), name, where) for name in _RATINGS}
    named = row["path"] if is_file(table.parent / row["path"]) else row["path"].replace("\\", "/")
    without_suffix = Path(named).with_suffix("").as_posix().removeprefix("./").lstrip("/")
    start, end = (_seconds(row.get(name, ""), name, where) for name in ("start", "end"))
    if end is not None and end <= (start or 0):
        raise InputError(f"{where}: end is {row['end']}, expected a time after start")
    if start is not None or end is not None:
        without_suffix += f"_{start or 0:g}-{'' if end is None else f'{end:g}'}"
    return Utterance(
        utt=row.get("utt") or unicodedata.normalize("NFC", without_suffix),
        path=path,
        speaker=row["speaker"],
        session=row.get("session", ""),
        gender=_GENDERS[gender],
        language=row.get("language", ""),
        text_id=row.get("text_id", ""),
        raw_label=row.get("label", ""),
        valence=ratings["valence"],
        arousal=ratings["arousal"],
        dominance=ratings["dominance"],
        start=start,
        end=end,
    )


def _seconds(text: str, column: str, where: str) -> float | None:
    """Return a time in seconds, None where there is none (empty, or NaT as pandas writes it)."""
    if text in ("", "NaT"):
        return None
    if match := _TIME.fullmatch(text):
        days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    value = _number(text, column, where)
    if value is not None and value < 0:
        raise InputError(f"{where}: {column} is {text!r}, expected 0 or more seconds")
    return value


def _number(text: str, column: str, where: str) -> float | None:
    if not text:
        return None
    try:
        return number(text.replace(",", "."))
    except ValueError:
        raise InputError(f"{where}: {column} is {text!r}, expected a number or nothing") from None


def _notice_unlisted(root: Path, table: Path, listed: set[str]) -> None:
    try:
        present = find_clips(root, "csv", "metadata.csv")
    except InputError:  # every clip lies elsewhere, by absolute paths
        return
    unlisted = [path for path in present if os.path.realpath(path) not in listed]
    if unlisted:
        print(
            f"notice: {len(unlisted)} audio files below {root} are not in {table.name} and not "
            f"used, the first is {unlisted[0]}",
            file=sys.stderr,
        )
