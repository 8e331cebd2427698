"""Rows of the CSV: one per recording, and one per window where there are several."""

from __future__ import annotations

import csv
import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import soundfile

from after_ser.core.errors import InputError, printable
from after_ser.data.audio.read import UnreadableAudioError
from after_ser.data.corpora.files import NOT_READ, cannot_be_read, sounds_like_audio
from after_ser.tools.predict.windows import Piece, Windows, pieces_of

#: Seconds of audio that are scored together; bounds memory, and changes no result.
TOGETHER_S = 300.0
WHOLE, WINDOW = "file", "window"

Score = Callable[[Sequence[np.ndarray]], np.ndarray]
Scored = tuple[str, Piece, np.ndarray | None]

#: Suffixes of audio files in folders; a file given by name may have any suffix.
ENDINGS = frozenset(
    {f".{name.lower()}" for name in soundfile.available_formats()}
    | {".wave", ".aif", ".aifc", ".oga", ".opus", ".mp2", ".mp3"}
) - {".raw"}  # a RAW file says neither rate nor width


def header(classes: Sequence[str]) -> list[str]:
    """Return the names of the columns."""
    return ["file", "part", "start", "end", "label", *(f"p_{name}" for name in classes)]


class Recordings:
    """The recordings that a command line means, read one after the other and counted."""

    def __init__(self, files: Sequence[str], windows: Windows) -> None:
        """`files` are audio files, folders of them and patterns."""
        self._files, self._windows = files, windows
        self.usable = self.unusable = 0

    def pieces(self) -> Iterator[tuple[str, Piece]]:
        """Yield (path, piece) of every recording; one that cannot be used is a line on stderr."""
        for path, reason in audio_files(self._files):
            pieces: list[Piece] = []
            try:
                pieces = [] if reason else pieces_of(path, self._windows)
            except (UnreadableAudioError, InputError, OSError) as error:
                reason = str(error)
            if reason:
                self.unusable += 1
                print(f"error: {printable(f'{path}: {reason}')}", file=sys.stderr, flush=True)
                continue
            self.usable += 1
            for piece in pieces:
                yield path, piece


def scored(pieces: Iterable[tuple[str, Piece]], score: Score) -> Iterator[Scored]:
    """Yield pieces in order, each with its probabilities [C], None where it is silent."""
    waiting: list[tuple[str, Piece]] = []
    seconds = 0.0
    for path, piece in pieces:
        waiting.append((path, piece))
        seconds += piece.end - piece.start
        if seconds >= TOGETHER_S:
            yield from _score(waiting, score)
            waiting, seconds = [], 0.0
    yield from _score(waiting, score)


def _score(waiting: list[tuple[str, Piece]], score: Score) -> Iterator[Scored]:
    heard = [piece.samples for _, piece in waiting if piece.samples is not None]
    probs = iter(score(heard) if heard else ())
    for path, piece in waiting:
        yield path, piece, None if piece.samples is None else next(probs)


def rows(pieces: Iterable[Scored], classes: Sequence[str]) -> Iterator[list[str]]:
    """Yield the rows of every file: all of it first, then its windows where there are several.

    The file's probabilities are the mean of those of its windows (the sum rule of Kittler et al.,
    "On Combining Classifiers", 1998), windows in which nobody is heard left out; these have a row
    with neither label nor probabilities.
    """
    for path, group in groupby(pieces, key=lambda scored: scored[0]):
        pieces_of_file = [(piece, probs) for _, piece, probs in group]
        heard = [probs for _, probs in pieces_of_file if probs is not None]
        mean = np.mean(heard, axis=0) if heard else None
        start, end = pieces_of_file[0][0].start, pieces_of_file[-1][0].end
        yield _row(path, WHOLE, start, end, mean, classes)
        if len(pieces_of_file) > 1:
            for piece, probs in pieces_of_file:
                yield _row(path, WINDOW, piece.start, piece.end, probs, classes)


def _row(
    path: str,
    part: str,
    start: float,
    end: float,
    probs: np.ndarray | None,
    classes: Sequence[str],
) -> list[str]:
    values = [""] * (len(classes) + 1)
    if probs is not None:
        values = [classes[int(probs.argmax())], *(f"{value:.6f}" for value in probs)]
    return [shown(path), part, f"{start:.3f}", f"{end:.3f}", *values]


def shown(path: str) -> str:
    """Return the path as the table names it: no spreadsheet takes it for a formula.

    A name that begins like one gets "./" in front, which is the same file. Control characters and
    bytes that are no text are shown as escapes.
    """
    text = printable(path)
    return f"./{text}" if text.startswith(("=", "+", "-", "@")) else text


def write(lines: Iterable[Sequence[Any]], stream: TextIO) -> None:
    """Write rows as CSV with Unix line ends."""
    writer = csv.writer(stream, lineterminator="\n")
    for line in lines:
        writer.writerow(line)


def audio_files(given: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (path, "") for every audio file meant, once, or (what was given, why it is none).

    Folders are searched through, hidden files left out, in the order of names. A pattern (`*`,
    `?`, `[…]`, `**`) that is no file's name is expanded likewise.
    """
    seen: set[str] = set()
    for name in given:
        paths = _expanded(name)
        if not paths:
            yield name, _why_none(name)
        for path in paths:
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                unread = Path(path).suffix.lower() in NOT_READ
                yield path, cannot_be_read([path]) if unread else ""


def _expanded(name: str) -> list[str]:
    if os.path.isdir(name):
        return _below(name)
    if os.path.lexists(name) or not glob.has_magic(name):
        return [name] if os.path.lexists(name) else []
    files: list[str] = []
    for match in sorted(glob.glob(name, recursive=True)):
        if os.path.isdir(match):
            files += _below(match)
        else:
            files.append(match)
    return files


def _below(folder: str) -> list[str]:
    files = []
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [
            os.path.join(directory, name)
            for name in sorted(names)
            if not name.startswith(".") and _is_meant(Path(directory, name))
        ]
    return files


def _is_meant(path: Path) -> bool:
    """Tell whether a file of a folder is audio, of a kind that can be read or not."""
    suffix = path.suffix.lower()
    return suffix in ENDINGS or suffix in NOT_READ or sounds_like_audio(path)


def _why_none(name: str) -> str:
    if os.path.isdir(name):
        return "no audio file in this folder"
    return "no file matches" if glob.has_magic(name) else "no such file"
