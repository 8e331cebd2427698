"""Clips that a page can play: a bounded number inside it, the others where they lie on the disk.

What is inside is a small MP3, which every browser plays; the file that the models heard is linked.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import soundfile

from after_ser.core.errors import InputError
from after_ser.data.audio.read import UnreadableAudioError, read_clip

LONGEST_S = 10
#: libsndfile's scale: 0 is the best quality, 1 the smallest file. About 4 kB per second.
COMPRESSION = 0.8


def link(audio: str | Path, page: str | Path) -> str:
    """Return the address of an audio file for a page: relative, percent-encoded."""
    return quote(Path(os.path.relpath(audio, Path(page).parent)).as_posix())


def data_uri(audio: str | Path) -> str:
    """Return the first LONGEST_S seconds of an audio file as an MP3 in a data URI.

    Raises InputError where there is no file that can be read.
    """
    try:
        clip = read_clip(audio)
    except UnreadableAudioError as error:
        raise InputError(f"{audio}: {error}; expected a clip to play") from None
    samples = clip.samples[: LONGEST_S * clip.sample_rate]
    written = io.BytesIO()
    soundfile.write(
        written,
        samples,
        clip.sample_rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=COMPRESSION,
    )
    return f"data:audio/mpeg;base64,{base64.b64encode(written.getvalue()).decode('ascii')}"


def first_of_each(lists: Sequence[Sequence[str]], most: int) -> list[str]:
    """Return at most `most` different clips, the first of every list before any list's second."""
    found: dict[str, None] = {}
    for depth in range(max(map(len, lists), default=0)):
        for one in lists:
            if depth < len(one) and len(found) < most:
                found[one[depth]] = None
    return list(found)
