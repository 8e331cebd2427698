"""CREMA-D, the crowd-sourced emotional multimodal actors dataset."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from after_ser.core.errors import InputError
from after_ser.data.corpora.base import NamedClips, Utterance
from after_ser.data.corpora.files import check_root, child
from after_ser.data.corpora.label_files import read_rows

_DEMOGRAPHICS = "VideoDemographics.csv"


class Cremad(NamedClips):
    """English, 7,442 clips of 91 actors saying twelve sentences; `AudioWAV/1001_DFA_ANG_XX.wav`.

    The name is actor, sentence code, emotion, intensity (LO, MD, HI, XX for unspecified). One
    clip was released misnamed as `1040_ITH_SAD_X.wav` and is accepted under both names. ANG, NEU,
    SAD and HAP are used (1,271, 1,087, 1,271, 1,271 clips), DIS and FEA have no class here. The
    label is what the actor was asked for, not what raters heard. Where the release's
    `VideoDemographics.csv` lies beside the audio folder, it gives the gender. The release also
    has MP3 copies: where the root has an AudioWAV folder, only that is read.

    `1076_MTI_SAD_XX` is silent, `1064_TIE_SAD_XX` (no samples) and `1064_IEO_DIS_MD` (a minute
    long) are damaged in some copies, and `1006_TIE_HAP_XX` and `1006_TIE_NEU_XX` are the same
    recording under two labels: the clip checks see to all of these but the long one.

    Source: Cao et al., "CREMA-D", IEEE Transactions on Affective Computing 5(4), 2014;
    https://github.com/CheyneyComputerScience/CREMA-D, README and issues 3, 6 and 8.
    """

    layout = "cremad"
    language = "en"
    example = "AudioWAV/1001_DFA_ANG_XX.wav"
    pattern = re.compile(
        r"(?P<speaker>\d{4})_(?P<text>[A-Z]{3})_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)"
        r"_(?:LO|MD|HI|XX?)",
        re.I,
    )
    naming = "<actor>_<sentence>_<ANG|DIS|FEA|HAP|NEU|SAD>_<LO|MD|HI|XX>"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "ANG": "anger",
        "NEU": "neutral",
        "SAD": "sad",
        "HAP": "happy",
        "DIS": None,
        "FEA": None,
    }

    def scan(self, root: Path, options: Mapping[str, Any]) -> Iterator[Utterance]:
        """Yield the clips of `root`/AudioWAV, or of `root` itself where it has no such folder."""
        check_root(root, self.layout, f"a folder with {self.example} in it")
        audio = child(root, "AudioWAV") or root
        genders = _genders(root)
        for utterance in super().scan(audio, options):
            yield replace(utterance, gender=genders.get(utterance.speaker, ""))

    def describe(self, name: re.Match[str], below: Path) -> dict[str, Any]:
        """Return what the name says, which is no gender; text id is the sentence's code."""
        return {
            "speaker": name["speaker"],
            "text_id": name["text"].upper(),
            "raw_label": name["emotion"].upper(),
        }


def _genders(root: Path) -> dict[str, str]:
    """Return actor -> gender from the release's table in `root` or above it, {} without one."""
    table = child(root, _DEMOGRAPHICS) or child(root.parent, _DEMOGRAPHICS)
    if table is None:
        print(
            f"notice: {root} has no {_DEMOGRAPHICS}, so no clip has a gender, by which folds of "
            "speakers are balanced",
            file=sys.stderr,
        )
        return {}
    expected = "ActorID,Age,Sex,Race,Ethnicity as released"
    genders: dict[str, str] = {}
    for line, row in read_rows(table, "cremad", ("ActorID", "Sex"), expected):
        gender = row["sex"].lower()
        if gender not in ("female", "male", "") or row["actorid"] in genders:
            problem = (
                f"names the actor {row['actorid']} a second time"
                if row["actorid"] in genders
                else f"has the sex {row['sex']!r}, expected Female or Male"
            )
            raise InputError(f"layout cremad: line {line} of {table} {problem}")
        genders[row["actorid"]] = gender
    return genders
