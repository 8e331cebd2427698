"""RAVDESS, the Ryerson audio-visual database of emotional speech and song."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.core.errors import InputError
from after_ser.data.corpora.base import NamedClips, stem

_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}


class Ravdess(NamedClips):
    """English, 1,440 speech clips of 24 actors; `Actor_12/03-01-05-01-02-01-12.wav`.

    The seven numbers are modality (01 audio-visual, 02 video, 03 audio), vocal channel
    (01 speech, 02 song), emotion, intensity, statement, repetition, actor (odd: man, even:
    woman). Raw labels are the emotions' English names in the release's documentation. Only
    audio-only speech (03-01) is read; songs and anything with a picture are skipped, and a
    notice says how many. Neutral has one intensity and so half the clips (96 against 192). Calm
    has no class here: the AFTER paper's 672 clips are those of neutral, happy, sad and angry.

    Source: Livingstone & Russo, "The Ryerson Audio-Visual Database of Emotional Speech and
    Song", PLoS ONE 13(5), 2018, and https://zenodo.org/record/1188976 (naming).
    """

    layout = "ravdess"
    language = "en"
    example = "Actor_12/03-01-05-01-02-01-12.wav"
    pattern = re.compile(
        r"(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<emotion>0[1-8])-0[12]-(?P<statement>0[12])"
        r"-0[12]-(?P<actor>\d\d)"
    )
    naming = "<modality>-<channel>-<emotion>-<intensity>-<statement>-<repetition>-<actor>"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "angry": "anger",
        "neutral": "neutral",
        "sad": "sad",
        "happy": "happy",
        "calm": None,
        "fearful": None,
        "disgust": None,
        "surprised": None,
    }

    def clips(
        self, root: Path, options: Mapping[str, Any], example: str | None = None
    ) -> list[Path]:
        """Return the audio-only speech below `root`; what else is named as a clip is counted."""
        kept, songs, pictures = [], 0, 0
        for path in super().clips(root, options, example):
            match = self.pattern.fullmatch(stem(path))
            if match is not None and match["modality"] != "03":
                pictures += 1
            elif match is not None and match["channel"] != "01":
                songs += 1
            else:
                kept.append(path)
        pictures += sum(1 for path in _videos(root) if self.pattern.fullmatch(stem(path)))
        if songs or pictures:
            print(
                f"notice: {root}: {songs} songs and {pictures} audio-visual files skipped "
                "(only audio-only speech, 03-01, is read)",
                file=sys.stderr,
            )
        if not kept:
            raise InputError(
                f"layout ravdess: no audio-only speech below {root}; "
                f"expected clips such as {self.example}"
            )
        return kept

    def describe(self, name: re.Match[str], below: Path) -> dict[str, Any]:
        """Return what the name says; text id is the statement, 01 kids or 02 dogs."""
        return {
            "speaker": name["actor"],
            "gender": "male" if int(name["actor"]) % 2 else "female",
            "text_id": name["statement"],
            "raw_label": _EMOTIONS[name["emotion"]],
        }


def _videos(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.suffix.lower() == ".mp4")
