"""EmoDB, the Berlin database of emotional speech."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.data.corpora.base import NamedClips

_GENDERS = {
    **dict.fromkeys(["03", "10", "11", "12", "15"], "male"),
    **dict.fromkeys(["08", "09", "13", "14", "16"], "female"),
}


class Emodb(NamedClips):
    """German, 535 clips of ten actors saying ten sentences; `wav/03a01Fa.wav`.

    The name is speaker (two digits), text code (a letter and two digits), emotion letter,
    version. The letters are German: W Wut (anger), L Langeweile (boredom), E Ekel (disgust),
    A Angst (fear), F Freude (happiness), T Trauer (sadness), N neutral; of the released clips
    127, 81, 46, 69, 71, 62 and 79. Boredom, disgust and fear have no class here. The AFTER
    paper's 408 clips are W + N + T + F plus the 69 of fear, so it took fear for anger; the
    default does not, because "A" is not anger.

    Source: Burkhardt et al., "A database of German emotional speech", Interspeech 2005, and the
    release's page http://emodb.bilderbar.info (names, speakers' ages and sexes).
    """

    layout = "emodb"
    language = "de"
    example = "wav/03a01Fa.wav"
    pattern = re.compile(r"(?P<speaker>\d\d)(?P<text>[a-z]\d\d)(?P<emotion>[WLEAFTN])[a-z]?", re.I)
    naming = "<speaker><text><W|L|E|A|F|T|N><version>"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "W": "anger",
        "N": "neutral",
        "T": "sad",
        "F": "happy",
        "A": None,
        "L": None,
        "E": None,
    }

    def describe(self, name: re.Match[str], below: Path) -> dict[str, Any]:
        """Return what the name says; gender is known for the ten released speakers."""
        return {
            "speaker": name["speaker"],
            "gender": _GENDERS.get(name["speaker"], ""),
            "text_id": name["text"].lower(),
            "raw_label": name["emotion"].upper(),
        }
