"""TESS, the Toronto emotional speech set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.data.corpora.base import NamedClips


class Tess(NamedClips):
    """English, 2,800 clips of two women of 26 and 64 years; `OAF_angry/OAF_back_angry.wav`.

    Each says "Say the word …" with 200 words in seven emotions; `ps` is pleasant surprise. The
    word is the text id. Clips have 24,414 Hz, one has 96 kHz; `OA_bite_neutral.wav` lacks the F of
    its speaker. With two speakers there are two folds by speaker.

    Source: Pichora-Fuller & Dupuis, "Toronto emotional speech set", 2020,
    https://doi.org/10.5683/SP2/E8H2MF (CC BY-NC-ND 4.0).
    """

    layout = "tess"
    language = "en"
    example = "OAF_angry/OAF_back_angry.wav"
    pattern = re.compile(
        r"(?P<speaker>OA|YA)F?_(?P<word>[a-z]+)_"
        r"(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)",
        re.I,
    )
    naming = "<OAF|YAF>_<word>_<angry|disgust|fear|happy|neutral|ps|sad>"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "angry": "anger",
        "neutral": "neutral",
        "sad": "sad",
        "happy": "happy",
        "disgust": None,
        "fear": None,
        "ps": None,
    }

    def describe(self, name: re.Match[str], below: Path) -> dict[str, Any]:
        """Return what the name says; both speakers are women."""
        speaker, word = f"{name['speaker'].upper()}F", name["word"].lower()
        emotion = name["emotion"].lower()
        fields = {"utt": f"{speaker}_{word}_{emotion}", "speaker": speaker, "gender": "female"}
        return fields | {"text_id": word, "raw_label": emotion}
