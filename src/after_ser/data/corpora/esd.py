"""ESD, the emotional speech dataset (Mandarin and English, parallel sentences)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.data.corpora.base import NamedClips

_EMOTIONS = {name.lower(): name for name in ("Angry", "Happy", "Neutral", "Sad", "Surprise")}
_SPLITS = ("train", "evaluation", "test")
_SENTENCES = 350  # per speaker and emotion, the same ones for each
_FIRST_ENGLISH = 11


class Esd(NamedClips):
    """35,000 clips of 20 speakers; `0011/Angry/train/0011_000371.wav`.

    Speakers 0001 to 0010 are Mandarin, 0011 to 0020 English; each says 350 sentences in five
    emotions. The emotion is the folder's; the released folders `train`, `evaluation` and `test`
    below it may be there or not. Numbers run on from emotion to emotion, so that a clip's
    sentence is its number modulo 350. The transcripts (`0011.txt`) are not read. The release
    names no genders. Surprise has no class here unless the config gives it one.

    Source: Zhou et al., "Emotional voice conversion: theory, databases and ESD", Speech
    Communication 137, 2022; https://github.com/HLTSingapore/Emotional-Speech-Data.
    """

    layout = "esd"
    example = "0011/Angry/train/0011_000371.wav"
    pattern = re.compile(r"(?P<speaker>\d{4})_(?P<number>\d{6})")
    naming = "<speaker>_<number> in <speaker>/<emotion>, or in a split's folder below it"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "Angry": "anger",
        "Neutral": "neutral",
        "Sad": "sad",
        "Happy": "happy",
        "Surprise": None,
    }

    def describe(self, name: re.Match[str], below: Path) -> dict[str, Any] | None:
        """Return what they say; None where the folders do not name emotion and speaker."""
        folders = [part.lower() for part in below.parts[:-1] if part.lower() not in _SPLITS]
        if len(folders) < 2 or folders[-2] != name["speaker"] or folders[-1] not in _EMOTIONS:
            return None
        language = "en" if int(name["speaker"]) >= _FIRST_ENGLISH else "zh"
        sentence = (int(name["number"]) - 1) % _SENTENCES + 1
        return {
            "speaker": name["speaker"],
            "language": language,
            "text_id": f"{language}{sentence:03d}",
            "raw_label": _EMOTIONS[folders[-1]],
        }
