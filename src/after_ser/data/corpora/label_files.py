"""Reading the label files of corpora: what cannot be read is named, and no row is lost silently."""

from __future__ import annotations

import csv
import io
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from after_ser.core.errors import InputError


def read_text(path: Path, layout: str, expected: str, errors: str = "strict") -> str:
    """Return the text of a UTF-8 label file without its byte-order mark.

    `errors` is "replace" where only remarks of raters, which nobody reads, may hold other bytes.
    Raises InputError, saying that `expected` was, for a folder, a file that may not be read and
    other encodings.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise InputError(f"layout {layout}: {path} is not a file; expected one with {expected}")
        return path.read_text(encoding="utf-8-sig", errors=errors)
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 ({error.reason} at byte {error.start})"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    raise InputError(f"layout {layout}: {path} {reason}; expected {expected}")


def read_rows(
    path: Path, layout: str, required: tuple[str, ...], expected: str, delimiters: str = ","
) -> list[tuple[int, dict[str, str]]]:
    """Return (line number, column -> stripped value) of every row with content of a CSV file.

    Columns are compared in lower case, as the result has them. The delimiter is
    the one of `delimiters` that the header has most of. A row that is too short has "" at its end,
    separators at the end of lines are no columns, and Excel's first line `sep=;` is no header.
    Raises InputError for a missing or repeated column, a row with more fields than the header,
    and what is not CSV (e.g. binary).
    """
    text = read_text(path, layout, expected)
    skipped = 0
    if re.match(r"sep=.\r?\n", text, re.I):
        skipped, text = 1, text.partition("\n")[2]
    header_line = text.partition("\n")[0]
    delimiter = max(delimiters, key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        while header and not header[-1]:
            header.pop()
        for column in required:
            if column.lower() not in header:
                raise InputError(
                    f"layout {layout}: {path} has no column {column}; expected {expected}"
                )
        for column in header:
            if column and header.count(column) > 1:
                raise InputError(
                    f"layout {layout}: {path} has more than one column {column}; expected one of "
                    f"{expected}"
                )
        for row in reader:
            while len(row) > len(header) and not row[-1].strip():
                row.pop()
            if len(row) > len(header):
                raise InputError(
                    f"layout {layout}: line {reader.line_num + skipped} of {path} has more fields "
                    f"than the header's {len(header)}; quote values that hold the separator"
                )
            if any(row):
                values = [value.strip() for value in row] + [""] * (len(header) - len(row))
                rows.append((reader.line_num + skipped, dict(zip(header, values, strict=True))))
    except csv.Error as error:
        raise InputError(
            f"layout {layout}: line {reader.line_num + skipped} of {path} is not CSV ({error}); "
            f"expected {expected}"
        ) from None
    return rows


#: What columns are called in other tables.
_ALSO_CALLED = {
    "path": ("file", "filename", "file name", "filepath", "audio", "wav", "clip"),
    "label": ("emotion", "emotions", "class", "category", "sentiment"),
    "speaker": ("speaker id", "speakerid", "spk", "spkid", "subject", "actor", "talker"),
    "session": ("session id", "recording", "dialogue"),
    "gender": ("sex",),
    "language": ("lang", "locale"),
    "text_id": ("text", "sentence", "transcript", "utterance", "prompt"),
}


def notice_unread(
    path: Path, rows: Sequence[tuple[int, Mapping[str, str]]], known: Sequence[str]
) -> None:
    """Name on stderr the columns that are not read, with the one that each may have been meant for.

    The worst that can happen otherwise is that nobody has a speaker: then no fold keeps people
    apart, and nothing says so.
    """
    header = list(rows[0][1]) if rows else []
    missing = [column for column in known if column not in header]
    unread = []
    for column in header:
        if not column or column in known:
            continue
        plain = re.sub(r"[\s_.-]+", " ", column)
        meant = next((c for c in missing if plain in _ALSO_CALLED.get(c, ())), None)
        meant = meant or next(iter(get_close_matches(plain, missing, n=1, cutoff=0.7)), None)
        unread.append(f"{column!r}" + (f" (call it {meant} if it is that)" if meant else ""))
    if unread:
        print(
            f"notice: {path}: columns that are not read: {', '.join(unread)}; "
            f"read are {', '.join(known)}",
            file=sys.stderr,
        )


def resolve_path(folder: Path, text: str) -> Path:
    """Return the path that a table in `folder` names; of Windows, too, where that is meant."""
    path = Path(os.path.abspath(folder / text))
    if "\\" in text and not path.exists():
        return Path(os.path.abspath(folder / text.replace("\\", "/")))
    return path


@dataclass(frozen=True)
class Rating:
    """A turn's final label and the raters' means, None where there is none."""

    label: str
    valence: float | None
    arousal: float | None
    dominance: float | None


def read_ratings(
    path: Path, layout: str, begins: tuple[str, ...], pattern: re.Pattern[str], example: str
) -> dict[str, Rating]:
    """Return turn -> rating of the lines that begin with one of `begins`; others are not read.

    `pattern` has groups turn, label, valence, arousal and dominance, `example` is such a line.
    Raises InputError for a line that does not parse, or that comes twice for one turn.
    """
    ratings: dict[str, Rating] = {}
    text = read_text(path, layout, f"lines such as {example}", "replace")
    for line_number, line in enumerate(text.split("\n"), 1):
        if not line.startswith(begins):
            continue
        match = pattern.fullmatch(line.strip())
        problem = ""
        if match is None:
            problem = "does not parse"
        elif match["turn"] in ratings:
            problem = "labels a turn a second time"
        else:
            means = [match[name] for name in ("valence", "arousal", "dominance")]
            try:
                values = [None if mean == "NaN" else number(mean) for mean in means]
                ratings[match["turn"]] = Rating(match["label"], *values)
            except ValueError:
                problem = "has a rating that is not a number"
        if problem:
            raise InputError(
                f"layout {layout}: line {line_number} of {path} {problem}; expected {example}"
            )
    return ratings


def number(text: str) -> float:
    """Return a rating as a finite float; raises ValueError for anything else."""
    value = float(text)
    if not math.isfinite(value) or "_" in text:
        raise ValueError(text)
    return value
