"""IEMOCAP: `Session1/sentences/wav/<dialogue>/<utterance>.wav` with evaluation files (16 kHz)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from after_ser.core.seeding import rng
from after_ser.run.atomic import write_text
from after_ser.tools.synthesis.channel import Channel
from after_ser.tools.synthesis.emotion import ratings
from after_ser.tools.synthesis.layouts.base import Clip, Layout, Slot

_SCENES = (
    *("impro01", "script01_1", "impro02", "script02_1", "impro03", "script03_1", "impro04"),
    *("script01_2", "impro05", "script02_2", "impro06", "script01_3", "impro07", "script03_2"),
    "impro08",
)
_NAMES = {
    "ang": "Anger",
    "neu": "Neutral",
    "sad": "Sadness",
    "hap": "Happiness",
    "exc": "Excited",
    "fru": "Frustration",
    "sur": "Surprise",
    "fea": "Fear",
    "dis": "Disgust",
    "oth": "Other",
}
_HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"


class IemocapLayout(Layout):
    """Five sessions of a woman and a man each, improvised and scripted (Busso et al. 2008)."""

    name = "iemocap"
    language = "en"
    sample_rate = 16_000
    strength = 2.2
    speakers = [
        (f"Ses{session:02d}{letter}", gender)
        for session in range(1, 6)
        for letter, gender in (("F", "female"), ("M", "male"))
    ]
    labels = {
        "ang": ("anger", 1103),
        "neu": ("neutral", 1708),
        "sad": ("sad", 1084),
        "hap": ("happy", 595),
        "exc": ("excitement", 1041),
        "xxx": ("other", 2507),
        "fru": ("frustration", 1849),
        "sur": ("surprise", 107),
        "fea": ("fear", 40),
        "oth": ("other", 3),
        "dis": ("disgust", 2),
    }
    channel = Channel(80, 7200, -24, 4, 26, 6, 1.2, echo=0.1)

    def slots(self, speaker: str, label: str, per_speaker: int) -> list[Slot]:
        """Return turns of a few dialogues; scripted sentences recur in every session."""
        session, letter = speaker[:5], speaker[5]
        dialogues = int(np.clip(per_speaker // 6, 2, 2 * len(_SCENES)))
        turns = 2 * (per_speaker // dialogues) + 4
        slots = []
        for number in range(dialogues):
            scene = _SCENES[number % len(_SCENES)]
            marker = "FM"[(number + number // len(_SCENES)) % 2]
            dialogue = f"{session}{marker}_{scene}"
            for turn in range(turns):
                name = f"{dialogue}_{letter}{turn:03d}"
                folder = f"Session{int(session[3:])}/sentences/wav/{dialogue}"
                text = f"{scene}_{letter}{turn:03d}" if scene.startswith("script") else name
                slots.append(Slot(f"{folder}/{name}.wav", text))
        return slots

    def write_labels(
        self, root: Path, clips: Sequence[Clip], durations: Mapping[str, float], seed: int
    ) -> None:
        """Write EmoEvaluation (label, mean rating, evaluators) and transcriptions per dialogue."""
        dialogues: dict[tuple[str, str], list[Clip]] = {}
        for clip in clips:
            session, _, _, dialogue, _ = clip.path.split("/")
            dialogues.setdefault((session, dialogue), []).append(clip)
        for (session, dialogue), turns in sorted(dialogues.items()):
            # Turns alternate between the two as in a conversation: by number, then by speaker.
            turns.sort(key=lambda clip: (Path(clip.path).stem[-3:], clip.path))
            evaluation = [_HEADER, ""]
            transcription = []
            start = 6.0
            for clip in turns:
                name = Path(clip.path).stem
                end = start + durations[clip.path]
                evaluation += _evaluation(name, clip, start, end, seed)
                transcription.append(f"{name} [{start:08.4f}-{end:08.4f}]: {clip.text}.")
                start = end + 0.8
            folder = root / session / "dialog"
            for kind, lines in (("EmoEvaluation", evaluation), ("transcriptions", transcription)):
                write_text(folder / kind / f"{dialogue}.txt", "\n".join(lines) + "\n")


def _evaluation(name: str, clip: Clip, start: float, end: float, seed: int) -> list[str]:
    """Return the summary line, three categorical and two dimensional evaluations, an empty line."""
    draw = rng("evaluation", name, seed)
    # A mislabelled clip was misheard: its raters agree with the label, not with the voice.
    emotion = IemocapLayout.labels[clip.label][0]
    scores = ratings(emotion, 2, draw)
    mean = ", ".join(f"{value:.4f}" for value in scores.mean(axis=0))
    lines = [f"[{start:.4f} - {end:.4f}]\t{name}\t{clip.label}\t[{mean}]"]
    choices = list(_NAMES.values())
    if clip.label == "xxx":  # no two of the three agree
        votes = [choices[int(i)] for i in draw.choice(len(choices), 3, replace=False)]
    else:
        other = choices[int(draw.integers(len(choices)))]
        votes = [_NAMES[clip.label], _NAMES[clip.label], other]
    lines += [f"C-E{2 + i}:\t{vote};\t()" for i, vote in enumerate(votes)]
    lines += [f"A-E{3 + i}:\tval {v}; act {a}; dom  {d};\t()" for i, (v, a, d) in enumerate(scores)]
    return [*lines, ""]
