"""The index of a corpus: every clip of the release with its bytes' hash, nothing decoded."""

from __future__ import annotations

import hashlib
import math
import os
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.data.corpora.base import Utterance
from after_ser.data.corpora.files import is_file
from after_ser.data.corpora.registry import corpus_adapter
from after_ser.run.atomic import write_tsv

INDEX_COLUMNS = [
    *["utt", "path", "speaker", "session", "gender", "language", "text_id", "raw_label"],
    *["valence", "arousal", "dominance", "start", "end", "sha256", "bytes"],
]


def index_corpus(
    corpus_name: str,
    layout: str,
    root: str | os.PathLike[str],
    options: Mapping[str, Any] | None,
    out_tsv: str | os.PathLike[str],
) -> pd.DataFrame:
    """Scan the release in `root` and write and return its index, sorted by utterance.

    Hashing the content makes every later step notice changed audio, although the files are no
    inputs of the workflow. Ratings and seconds have six decimals, "" where the corpus has none;
    `path` is absolute. Raises InputError, with the corpus's name, for whatever the adapter cannot
    understand, for two clips of one name and for names that are not UTF-8.
    """
    try:
        adapter = corpus_adapter(layout)
        adapter.check_options(options or {})
        folder = Path(os.path.abspath(os.path.expanduser(root)))
        clips = sorted(adapter.scan(folder, options or {}), key=lambda clip: clip.utt)
        clips = _without_copies(clips)
        if not clips:
            raise InputError(f"no clip of {folder} has a label; expected at least one")
        _check(clips)
        rows = [_row(clip) for clip in clips]
    except InputError as error:
        raise InputError(f"corpus {corpus_name}: {error}") from None
    frame = pd.DataFrame(rows, columns=INDEX_COLUMNS, dtype=object)
    write_tsv(out_tsv, frame)
    sessions = len({clip.session for clip in clips} - {""})
    print(
        f"corpus {corpus_name}: {len(clips)} clips, {len({clip.speaker for clip in clips})} "
        f"speakers, {sessions} sessions",
        file=sys.stderr,
    )
    return frame


def _without_copies(clips: list[Utterance]) -> list[Utterance]:
    """Return the clips without the second of two that have one name and the same bytes.

    A release unpacked twice, or packed with a copy of itself (RAVDESS and TESS at Kaggle), is one.
    """
    kept: list[Utterance] = []
    copies = []
    for clip in clips:
        if kept and kept[-1].utt == clip.utt and _hashed(kept[-1].path) == _hashed(clip.path):
            copies.append(clip.path)
        else:
            kept.append(clip)
    if copies:
        print(
            f"notice: {len(copies)} files have the name and the bytes of another one and are not "
            f"used, the first is {copies[0]}",
            file=sys.stderr,
        )
    return kept


def _check(clips: list[Utterance]) -> None:
    for first, second in zip(clips, clips[1:], strict=False):
        if first.utt == second.utt:
            raise InputError(
                f"two clips are called {first.utt}: {first.path} and {second.path}; "
                "expected one (remove a copy, or list it in the corpus's options under ignore)"
            )
    for clip in clips:
        try:
            os.fspath(clip.path).encode("utf-8")
        except UnicodeEncodeError:
            raise InputError(
                f"the file name {os.fspath(clip.path)!r} is not UTF-8; expected one that is"
            ) from None
        for name, value in asdict(clip).items():
            kinds = {unicodedata.category(character) for character in str(value)}
            if kinds & {"Cc", "Cs"} and not isinstance(value, float):
                what = (
                    "tab or line break" if set(str(value)) & set("\t\n\r") else "control character"
                )
                raise InputError(
                    f"the clip {os.fspath(clip.path)!r} has a {what} in its "
                    f"{'name' if name in ('utt', 'path') else name}; expected none"
                )


def _row(clip: Utterance) -> dict[str, Any]:
    row = asdict(clip)
    for name in ("valence", "arousal", "dominance", "start", "end"):
        value = row[name]
        row[name] = "" if value is None or math.isnan(value) else f"{value:.6f}"
    digest, size = _hashed(clip.path)
    return row | {"path": os.fspath(clip.path), "sha256": digest, "bytes": size}


def _hashed(path: Path) -> tuple[str, int]:
    """Return the SHA-256 and the size of a clip, which is never wholly in memory."""
    if not is_file(path):  # a pipe, which would be waited for, or a link that leads nowhere
        raise InputError(f"the clip {path} is not a file; expected one that can be read")
    try:
        with path.open("rb") as raw:
            digest = hashlib.file_digest(raw, "sha256").hexdigest()
            return digest, raw.tell()
    except OSError as error:
        raise InputError(
            f"the clip {path} cannot be read ({error.strerror}); expected a file that may be"
        ) from None
