"""SAVEE, the Surrey audio-visual expressed emotion database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.data.corpora.base import NamedClips

_SPEAKERS = ("DC", "JE", "JK", "KL")


class Savee(NamedClips):
    """English, 480 clips of four men; `AudioData/DC/a01.wav` or flat as `DC_a01.wav`.

    The letters are a anger, d disgust, f fear, h happiness, n neutral, sa sadness, su surprise,
    followed by the sentence's number: 15 sentences per emotion and speaker, 30 for neutral.
    Disgust, fear and surprise have no class here. All four speakers say the same sentences, so a
    text id is emotion and number, e.g. "a01". Three sentences are common to all emotions and
    twelve emotional ones are neutral, too, but the names do not say which: text ids understate
    the overlap between emotions, not that between speakers.

    Source: Haq & Jackson, "Multimodal emotion recognition", 2010, the release's
    `AudioData/Info.txt` (letters, speakers) and http://kahlan.eps.surrey.ac.uk/savee (sentences).
    """

    layout = "savee"
    language = "en"
    example = "AudioData/DC/a01.wav"
    pattern = re.compile(
        r"(?:(?P<speaker>DC|JE|JK|KL)_)?(?P<emotion>a|d|f|h|n|sa|su)(?P<number>\d\d)", re.I
    )
    naming = "<a|d|f|h|n|sa|su><number> in a speaker's folder or <DC|JE|JK|KL>_ before it"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "a": "anger",
        "n": "neutral",
        "sa": "sad",
        "h": "happy",
        "d": None,
        "f": None,
        "su": None,
    }

    def describe(self, name: re.Match[str], below: Path) -> dict[str, Any] | None:
        """Return what they say; None where neither name nor folder gives the speaker."""
        speaker = (name["speaker"] or _speaker_folder(below)).upper()
        text = name["emotion"].lower() + name["number"]
        fields = {"utt": f"{speaker}_{text}", "speaker": speaker, "gender": "male"}
        return fields | {"text_id": text, "raw_label": name["emotion"].lower()} if speaker else None


def _speaker_folder(below: Path) -> str:
    names = [folder.upper() for folder in reversed(below.parts[:-1])]
    return next((name for name in names if name in _SPEAKERS), "")
