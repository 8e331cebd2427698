"""ShEMO, the Sharif emotional speech database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.data.corpora.base import NamedClips


class Shemo(NamedClips):
    """Persian, 3,000 clips of 87 speakers (31 women, 56 men) from radio plays; `F01A01.wav`.

    The name is sex and speaker, emotion letter, running number. Women and men are numbered
    apart, so the letter is part of the speaker's name. A anger (1,059), N neutral (1,028),
    S sadness (449), H happiness (201), W surprise, F fear; the last two have no class here. The
    release has a folder of each sex (`female/`, `male/`); one flat folder does as well.
    File names were corrected after transcription, so where a transcript file disagrees the name
    is right. Utterances are not scripted: no text id.

    Source: Mohamad Nezami et al., "ShEMO: a large-scale validated database for Persian speech
    emotion detection", Language Resources and Evaluation 53 (2019), and the release's README
    (https://github.com/pariajm/sharif-emotional-speech-database); renamed files: issue 2 of
    https://github.com/mansourehk/ShEMO.
    """

    layout = "shemo"
    language = "fa"
    example = "female/F01A01.wav"
    pattern = re.compile(r"(?P<speaker>[FM]\d\d)(?P<emotion>[ASHWFN])\d+", re.I)
    naming = "<F|M><speaker><A|S|H|W|F|N><number>"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "A": "anger",
        "N": "neutral",
        "S": "sad",
        "H": "happy",
        "W": None,
        "F": None,
    }

    def describe(self, name: re.Match[str], below: Path) -> dict[str, Any]:
        """Return what the name says; a speaker is e.g. F01."""
        speaker = name["speaker"].upper()
        return {
            "speaker": speaker,
            "gender": "female" if speaker[0] == "F" else "male",
            "raw_label": name["emotion"].upper(),
        }
