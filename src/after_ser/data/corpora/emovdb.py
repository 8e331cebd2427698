"""EmoV-DB, the emotional voices database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.data.corpora.base import NamedClips

_GENDERS = {"bea": "female", "jenie": "female", "josh": "male", "sam": "male"}
# The folders say Angry and Sleepy where files say anger and sleepiness.
_EMOTIONS = {
    **dict.fromkeys(["amused", "amusement"], "amused"),
    **dict.fromkeys(["anger", "angry"], "anger"),
    **dict.fromkeys(["disgust", "disgusted"], "disgust"),
    **dict.fromkeys(["neutral"], "neutral"),
    **dict.fromkeys(["sleepy", "sleepiness"], "sleepy"),
}


class Emovdb(NamedClips):
    """English, about 7,000 clips of bea, jenie (women), josh and sam (men).

    Three public arrangements of the same files are read: speaker folders with or without emotion
    folders (`bea/Amused/amused_1-15_0001.wav`), one folder per archive of openslr.org/115
    (`bea_Angry/anger_1-28_0001.wav`), and the flat sorted one with the speaker in the name
    (`sam_neutral_197-224_0200.wav`). In every one `utt` is the name the flat one has, and the
    file name, not the folder, gives the emotion. The text id is the number at the end, the
    sentence of CMU Arctic that all speakers read. Anger and neutral are used; amused, disgust and
    sleepy have no class here, there is no sadness, and josh has no anger.

    Copies circulate in which clips of jenie lie a second time as sam's; their bytes are equal,
    so the clip checks keep one. Source: Adigwe et al., "The emotional voices database",
    arXiv:1806.09514; https://www.openslr.org/115; issue 3 of
    https://github.com/numediart/EmoV-DB (two distributions, the unsorted one incomplete).
    """

    layout = "emovdb"
    language = "en"
    example = "bea_Angry/anger_1-28_0001.wav"
    pattern = re.compile(
        r"(?:(?P<speaker>bea|jenie|josh|sam)_)?(?P<emotion>[a-z]+)_(?P<range>\d+[-_]\d+)"
        r"_(?P<text>\d+)",
        re.I,
    )
    naming = "[<bea|jenie|josh|sam>_]<emotion>_<range>_<sentence>, with the speaker in its folder"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "anger": "anger",
        "neutral": "neutral",
        "amused": None,
        "disgust": None,
        "sleepy": None,
    }

    def describe(self, name: re.Match[str], below: Path) -> dict[str, Any] | None:
        """Return what they say; None where no part of the path names the speaker."""
        emotion = _EMOTIONS.get(name["emotion"].lower())
        speaker = (name["speaker"] or _speaker_folder(below)).lower()
        if not speaker or not emotion:
            return None
        return {
            "utt": name[0] if name["speaker"] else f"{speaker}_{name[0]}",
            "speaker": speaker,
            "gender": _GENDERS[speaker],
            "text_id": name["text"].zfill(4),
            "raw_label": emotion,
        }


def _speaker_folder(below: Path) -> str:
    """Return the speaker that the innermost folder naming one names, else ""."""
    for folder in reversed(below.parts[:-1]):
        name = re.split(r"[^a-z]", folder.lower())[0]
        if name in _GENDERS:
            return name
    return ""
