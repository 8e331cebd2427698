"""Rows of the CSV: one per recording, and one per window where there are several."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, TextIO

import numpy as np

from after_ser.core.errors import InputError, printable
from after_ser.data.audio.read import UnreadableAudioError
from after_ser.tools.predict.inputs import audio_files
from after_ser.tools.predict.windows import Piece, Windows, pieces_of

#: Seconds of audio that are scored together; bounds memory, and changes no result.
TOGETHER_S = 300.0
WHOLE, WINDOW = "file", "window"

Score = Callable[[Sequence[np.ndarray]], np.ndarray]
Scored = tuple[str, Piece, np.ndarray | None]


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
