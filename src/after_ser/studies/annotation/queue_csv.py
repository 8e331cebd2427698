"""The queue as people see it: a CSV that any spreadsheet opens, and its filled copies.

Light on imports: the Snakefile reads answers to know how far a run has come.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from after_ser.core.errors import InputError
from after_ser.studies.annotation.queue import QueuedClip

COLUMNS = ("rank", "utt", "audio", "label", "status", "annotator", "comment")
_DELIMITERS = ",;\t"  # a spreadsheet in German saves "CSV" with semicolons


def queue_text(clips: Iterable[QueuedClip], folder: Path, comments: Sequence[str] = ()) -> str:
    """Return an empty queue as CSV text, in the order of `clips`; it will lie in `folder`.

    clips:    their audio paths are relative to the same place as `folder`; those of the queue are
              relative to `folder`.
    comments: the last column, one for each clip; empty if left out.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    given = list(comments)
    for index, clip in enumerate(clips):
        comment = given[index] if given else ""
        audio = os.path.relpath(clip.audio, folder).replace(os.sep, "/")
        writer.writerow([clip.rank, clip.utt, audio, "", "", "", comment])
    return out.getvalue()


def read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return (line number, column to stripped value) of every row of a filled queue.

    Separators may be commas, semicolons or tabs, columns in any order and case; only `utt` must be
    there, whose value is not stripped: a file may be called "a .wav". Raises InputError for any
    other file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8; expected a CSV saved as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    if "\0" in text:
        raise InputError(f"{path} is not text; expected a CSV with the columns of queue.csv")
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if "utt" not in header or not {"label", "status"} & set(header):
            raise InputError(
                f"{path} lacks a column utt, or label and status; expected those of queue.csv"
            )
        twice = next((name for name in header if name and header.count(name) > 1), None)
        if twice:
            raise InputError(f"{path} has more than one column {twice}; expected one")
        rows = []
        for row in reader:
            if len(row) > len(header) and any(row[len(header) :]):
                raise InputError(
                    f"{path}: line {reader.line_num} has more fields than the header's "
                    f"{len(header)}; quote values that hold the separator"
                )
            values = [value.strip() for value in row] + [""] * (len(header) - len(row))
            if any(values):
                by_column = dict(zip(header, values, strict=False))
                if by_column["utt"]:
                    by_column["utt"] = row[header.index("utt")]
                rows.append((reader.line_num, by_column))
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num} is not CSV ({error})") from None
    return rows


def read_query(path: Path) -> list[str]:
    """Return the clips of a published query, in rank order.

    Raises InputError where the file was changed into something else.
    """
    utts = [row["utt"] for _, row in read_rows_of(path, ("utt", "rank", "score"))]
    if "" in utts or len(set(utts)) != len(utts):
        raise InputError(f"{path}: a clip is there twice, or has no name; expected it unchanged")
    return utts


def read_rows_of(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a tab-separated table of ours; InputError where it lacks `columns`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path} cannot be read; expected it as it was published") from None
    if not text.endswith("\n"):
        raise InputError(f"{path}: its last line breaks off; expected it as it was published")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    rows = [(reader.line_num, row) for row in reader]
    if any(name not in (reader.fieldnames or ()) for name in columns) or any(
        None in row or None in row.values() for _, row in rows
    ):
        raise InputError(f"{path} was changed; expected it as it was published")
    return rows
