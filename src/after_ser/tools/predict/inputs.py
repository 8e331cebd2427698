"""Which files a command line means: files, folders, and patterns that no shell has expanded."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import soundfile

from after_ser.data.corpora.files import NOT_READ, cannot_be_read, sounds_like_audio

#: Suffixes of audio files in folders; a file given by name may have any suffix.
ENDINGS = frozenset(
    {f".{name.lower()}" for name in soundfile.available_formats()}
    | {".wave", ".aif", ".aifc", ".oga", ".opus", ".mp2", ".mp3"}
) - {".raw"}  # a RAW file says neither rate nor width


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
