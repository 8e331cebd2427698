"""ESD, the emotional speech dataset (Mandarin and English, parallel sentences)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from after_ser.corpora.base import NamedClips, Utterance, stem

_NAME = re.compile(r"(?P<speaker>\d{4})_(?P<number>\d{6})")
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
    naming = "<speaker>_<number> in <speaker>/<emotion>, or in a split's folder below it"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "Angry": "anger",
        "Neutral": "neutral",
        "Sad": "sad",
        "Happy": "happy",
        "Surprise": None,
    }

    def parse(self, path: Path, below: Path) -> Utterance | None:
        """Return the utterance; None where the folders do not name emotion and speaker."""
        match = _NAME.fullmatch(stem(path))
        folders = [part.lower() for part in below.parts[:-1] if part.lower() not in _SPLITS]
        if match is None or len(folders) < 2 or folders[-2] != match["speaker"]:
            return None
        emotion = _EMOTIONS.get(folders[-1])
        if emotion is None:
            return None
        language = "en" if int(match["speaker"]) >= _FIRST_ENGLISH else "zh"
        sentence = (int(match["number"]) - 1) % _SENTENCES + 1
        return Utterance(
            utt=stem(path),
            path=path,
            speaker=match["speaker"],
            language=language,
            text_id=f"{language}{sentence:03d}",
            raw_label=emotion,
        )
