"""Mandarin Affective Speech (MASC), LDC2007S09."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.data.corpora.base import NamedClips

_SPEAKER = re.compile(r"\d{3}")
_KINDS = ("phrase", "utterance", "paragraph")
_TEXT_DIGITS = 3  # the kind and two of the text; what follows is the take


class MandarinAffective(NamedClips):
    """Mandarin, 68 speakers; `data/001/anger/utterance/2111.wav`.

    Folders are speaker (001 to 068), emotion (anger, elation, neutral, panic, sadness) and kind
    of text (five phrases and ten sentences, called utterances, three times each; two paragraphs,
    neutral only). A clip's number is the kind, two digits of the text and the take. Elation is
    counted as happy; panic has no class here. The audio's folders do not tell the genders (23
    women, 45 men).

    Source: Wu et al., "MASC: A speech corpus in Mandarin for emotion analysis and affective
    speaker recognition", Odyssey 2006; https://catalog.ldc.upenn.edu/LDC2007S09.
    """

    layout = "mandarin_affective"
    language = "zh"
    example = "data/001/anger/utterance/2111.wav"
    pattern = re.compile(r"\d+")
    naming = "<number> in <speaker>/<emotion>/<phrase|utterance|paragraph>"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "anger": "anger",
        "neutral": "neutral",
        "sadness": "sad",
        "elation": "happy",
        "panic": None,
    }

    def describe(self, name: re.Match[str], below: Path) -> dict[str, Any] | None:
        """Return what they say; None where the folders do not name speaker, emotion and kind."""
        folders = [part.lower() for part in below.parts[:-1]]
        if len(folders) < 3:
            return None
        speaker, emotion, kind = folders[-3:]
        if (
            not _SPEAKER.fullmatch(speaker)
            or emotion not in self.default_labels
            or kind not in _KINDS
        ):
            return None
        return {
            "utt": f"{speaker}_{emotion}_{kind}_{name[0]}",
            "speaker": speaker,
            "text_id": f"{kind}{name[0][:_TEXT_DIGITS]}",
            "raw_label": emotion,
        }
