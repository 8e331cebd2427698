"""CREMA-D: `AudioWAV/1001_DFA_ANG_XX.wav` and VideoDemographics.csv (16 kHz)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from after_ser.core.seeding import rng
from after_ser.run.atomic import write_text
from after_ser.tools.synthesis.channel import Channel
from after_ser.tools.synthesis.layouts.base import Clip, Layout, Slot, interleave

_SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
# fmt: off
_WOMEN = [
    str(actor)
    for actor in (
        1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025,
        1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060,
        1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091,
    )
]
# fmt: on
_MEN = [str(actor) for actor in range(1001, 1092) if str(actor) not in _WOMEN]


class CremadLayout(Layout):
    """91 actors, twelve sentences, one of them at three intensities (Cao et al. 2014)."""

    name = "cremad"
    language = "en"
    sample_rate = 16_000
    strength = 1.8
    speakers = interleave(_WOMEN, _MEN)
    labels = {
        "ANG": ("anger", 1271),
        "NEU": ("neutral", 1087),
        "SAD": ("sad", 1271),
        "HAP": ("happy", 1271),
        "FEA": ("fear", 1271),
        "DIS": ("disgust", 1271),
    }
    channel = Channel(90, 6800, -26, 4, 22, 6, 1.2, hum=60, echo=0.12)

    def slots(self, speaker: str, label: str, per_speaker: int) -> list[Slot]:
        """Return the sentences; only IEO comes at low, medium and high intensity."""
        slots = []
        for sentence in _SENTENCES:
            levels = ("LO", "MD", "HI") if sentence == "IEO" and label != "NEU" else ("XX",)
            for level in levels:
                slots.append(Slot(f"AudioWAV/{speaker}_{sentence}_{label}_{level}.wav", sentence))
        return slots

    def defects(self, speakers: Sequence[str]) -> Mapping[str, str]:
        """The clip that is silent in the official release too."""
        return {"AudioWAV/1076_MTI_SAD_XX.wav": "silent"}

    def write_labels(
        self, root: Path, clips: Sequence[Clip], durations: Mapping[str, float], seed: int
    ) -> None:
        """Write VideoDemographics.csv for the speakers that occur."""
        genders = dict(self.speakers)
        lines = ["ActorID,Age,Sex,Race,Ethnicity"]
        for actor in sorted({clip.speaker for clip in clips} | {"1076"}):
            age = int(rng("age", self.name, actor, seed).integers(20, 75))
            lines.append(f"{actor},{age},{genders[actor].capitalize()},Unknown,Not Hispanic")
        write_text(root / "VideoDemographics.csv", "\n".join(lines) + "\n")
