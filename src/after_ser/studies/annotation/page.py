"""The page on which a person answers a queue: one HTML file that needs no network.

It asks nothing of any server: its content security policy allows the two scripts and the style
that are in it, by their hashes, and sound from files or from the page itself. What it shows of
corpora, classes and files it shows as text. Answers are kept in the browser and leave it as a CSV
with the queue's columns (RFC 4180, UTF-8). What a person types, name and comment, begins with an
apostrophe there where a spreadsheet would take it for a formula; the other columns are names that
are compared with the queue's, and stay what they are.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from after_ser.core.errors import InputError
from after_ser.judge.render import one_line, render, source
from after_ser.run.atomic import write_text
from after_ser.studies.annotation.queue import QueuedClip

#: Bytes of audio that a page may hold; base64 makes them a third longer.
EMBED_LIMIT = 64 * 1024 * 1024
_PACKAGE = "after_ser.studies.annotation"
_SCRIPTS = ("csv.js", "answers.js", "page.js")
_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
}


def write_page(
    path: Path,
    *,
    run: str,
    asked: str,
    classes: Sequence[str],
    clips: Sequence[QueuedClip],
    embed: bool,
) -> None:
    """Write the page for a queue, its clips in the order of their ranks.

    asked: what is asked for, `val` or `round{r}`; embed: the audio is part of the page, which
    then can be sent to somebody; else the page finds it by a path relative to its own folder.

    Raises InputError where there is nothing to ask or to answer with, a clip is there twice, an
    audio file is missing, or the audio to embed is more than EMBED_LIMIT.
    """
    if not clips:
        raise InputError(f"{path}: no clip to label, expected at least one")
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise InputError(f"{path}: classes {', '.join(classes)}; expected two or more, each once")
    ordered = sorted(clips, key=lambda clip: clip.rank)
    for what in ("rank", "utt"):
        value, times = Counter(getattr(clip, what) for clip in ordered).most_common(1)[0]
        if times > 1:
            raise InputError(f"{path}: {what} {value} is in the queue twice, expected once")
    _expect_audio(path, ordered, embed)
    page = {
        "run": run,
        "asked": asked,
        "hash": _content_hash(run, asked, classes, ordered),
        "classes": list(classes),
        "clips": [_shown(clip, path.parent, embed) for clip in ordered],
    }
    write_text(path, _filled(page, embed))


def fits(clips: Sequence[QueuedClip]) -> bool:
    """Whether the audio of all clips is at most EMBED_LIMIT; InputError where one is missing."""
    return _size(clips) <= EMBED_LIMIT


def audio_reference(audio: Path, folder: Path) -> str:
    """Return how a queue in `folder` names an audio file: a relative path, else a file URI.

    The path has forward slashes and nothing quoted. There is no relative path to another drive.
    """
    try:
        relative = os.path.relpath(audio, folder)
    except ValueError:
        return audio.resolve().as_uri()
    relative = relative.replace(os.sep, "/")
    # a name like "=x" would be a formula to a spreadsheet, and one like "a:b" an address
    return relative if relative.startswith("../") else f"./{relative}"


def _expect_audio(path: Path, clips: Sequence[QueuedClip], embed: bool) -> None:
    total = _size(clips)
    if embed and total > EMBED_LIMIT:
        raise InputError(
            f"{path}: {total / 2**20:.0f} MiB of audio; expected at most "
            f"{EMBED_LIMIT // 2**20} MiB in a page, or a page that refers to the files"
        )


def _size(clips: Sequence[QueuedClip]) -> int:
    total = 0
    for clip in clips:
        try:
            total += clip.audio.stat().st_size
        except OSError as error:
            raise InputError(
                f"{clip.audio}: {error.strerror}; expected the audio of clip {clip.utt}"
            ) from None
    return total


def _content_hash(run: str, asked: str, classes: Sequence[str], clips: Sequence[QueuedClip]) -> str:
    """Return what tells this queue from any other, whose answers are not this one's."""
    content = [run, asked, list(classes), [[clip.rank, clip.utt] for clip in clips]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _shown(clip: QueuedClip, folder: Path, embed: bool) -> dict[str, Any]:
    reference = audio_reference(clip.audio, folder)
    if embed:
        kind = _TYPES.get(clip.audio.suffix.lower(), "application/octet-stream")
        content = base64.b64encode(clip.audio.read_bytes()).decode("ascii")
        source = f"data:{kind};base64,{content}"
    else:
        source = reference if reference.startswith("file:") else quote(os.fsencode(reference))
    return {
        "rank": clip.rank,
        "utt": clip.utt,
        "audio": reference,
        "source": source,
        "seconds": round(float(clip.seconds), 3),
    }


def _filled(page: dict[str, Any], embed: bool) -> str:
    style = source("labelling.css", _PACKAGE)
    scripts = [source(name, _PACKAGE) for name in _SCRIPTS]
    asked = page["asked"]
    what = "the validation set" if asked == "val" else re.sub(r"^round(?=\d)", "round ", asked)
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_source_hash, scripts))}",
            f"style-src {_source_hash(style)}",
            "media-src data:" if embed else "media-src 'self' file:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return render(
        "labelling.html",
        _PACKAGE,
        policy=policy,
        title=f"{one_line(page['run'])}: label {one_line(what)}",
        folder=f"annotations/{page['run']}/{asked}/answers/",
        style=style,
        page=page,
        scripts=scripts,
    )


def _source_hash(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"
