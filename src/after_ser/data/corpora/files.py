"""Finding a corpus's audio files on disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from after_ser.core.errors import InputError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
#: Audio and video that people have and libsndfile does not read.
NOT_READ = frozenset(
    [
        ".m4a",
        ".m4b",
        ".aac",
        ".mp4",
        ".webm",
        ".mka",
        ".mkv",
        ".mov",
        ".avi",
        ".wma",
        ".amr",
        ".3gp",
        ".ape",
        ".wv",
        ".ra",
    ]
)
_BEGINNINGS = (b"RIFF", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b".snd", b"caff", b"ID3",
               b"NIST", b"\xff\xfb", b"\xff\xf3", b"\xff\xfa", b"\xff\xf2")  # fmt: skip


def sounds_like_audio(path: Path) -> bool:
    """Tell whether a file begins as audio that libsndfile reads does, whatever it is called."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    if head[:4] in (b"RIFF", b"RF64"):
        return head[8:12] == b"WAVE"
    return head.startswith(_BEGINNINGS) and (head[:4] != b"FORM" or head[8:12] != b"ILBM")


def cannot_be_read(names: Sequence[str]) -> str:
    """Return what is said of files in formats of NOT_READ; `names` has at least one."""
    return (
        f"{len(names)} files in formats that cannot be read, e.g. {names[0]}: convert them, for "
        "instance with ffmpeg"
    )


def check_root(root: Path, layout: str, expected: str) -> None:
    """Raise InputError if `root` is not a folder; `expected` says what should be in it."""
    if not root.is_dir():
        state = "is not a folder" if root.exists() else "does not exist"
        raise InputError(f"layout {layout}: the root {root} {state}; expected {expected}")


def find_clips(
    root: Path,
    layout: str,
    example: str,
    ignore: Sequence[str] = (),
    suffixes: tuple[str, ...] = SUFFIXES,
    by_content: bool = False,
) -> list[Path]:
    """Return the audio files below `root`, sorted by their path below it; links are followed.

    Hidden files (`.DS_Store`, the `._x.wav` twins macOS leaves on foreign disks) are not clips.
    `ignore` lists shell patterns matched against a file's path below the root and its name. With
    `by_content` a file of another suffix counts where it begins as audio does. Audio that cannot be
    read is counted in a notice.
    Raises InputError if the root is not a folder or has no audio.
    """
    check_root(root, layout, f"a folder with {example} in it")

    def refuse(error: OSError) -> None:
        raise InputError(
            f"layout {layout}: the folder {error.filename} cannot be read ({error.strerror}); "
            "expected a readable one"
        )

    clips, unread = [], []
    seen = set()
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        if real in seen:  # a link to a folder further up
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            below = (Path(folder) / name).relative_to(root)
            if name.startswith(".") or any(_matches(below, pattern) for pattern in ignore):
                continue
            if name.lower().endswith(suffixes):
                clips.append(below)
            elif below.suffix.lower() in NOT_READ:
                unread.append(below.as_posix())
            elif by_content and sounds_like_audio(root / below):
                clips.append(below)
    if not clips:
        others = f", but {cannot_be_read(sorted(unread))}" if unread else ""
        raise InputError(
            f"layout {layout}: no audio file ({' '.join(suffixes)}) below {root}{others}; "
            f"expected clips such as {example}"
        )
    if unread:
        print(f"notice: {root}: {cannot_be_read(sorted(unread))}", file=sys.stderr)
    return [root / below for below in sorted(clips, key=lambda path: path.parts)]


def is_file(path: Path) -> bool:
    """Tell whether `path` is a file, not a folder, pipe or dangling link; any text is a path."""
    try:
        return path.is_file()
    except OSError:  # e.g. a name that is too long
        return False


def child(folder: Path, name: str) -> Path | None:
    """Return the entry `name` of `folder` in any case (upper or lower), None if it has none."""
    try:
        exact = folder / name
        if exact.exists():
            return exact
        if not folder.is_dir():
            return None
        same = sorted(entry for entry in folder.iterdir() if entry.name.lower() == name.lower())
    except PermissionError as error:
        raise InputError(
            f"the folder {folder} cannot be read ({error.strerror}); expected a readable one"
        ) from None
    return same[0] if same else None


def _matches(below: Path, pattern: str) -> bool:
    return fnmatchcase(below.as_posix(), pattern) or fnmatchcase(below.name, pattern)
