"""Small corpora in their official release layouts, and where the real ones are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf


def real_corpus(name: str) -> Path:
    """Return the folder of a real corpus, or skip the test saying where it was looked for."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    root = Path(os.environ.get("AFTER_SER_TEST_DATA", default)) / name
    if not root.is_dir():
        pytest.skip(f"no real clips in {root} (set AFTER_SER_TEST_DATA)")
    return root


def noise(seconds: float = 0.5, rate: int = 16000, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, round(seconds * rate))


def write_clips(root: Path, names: Iterable[str]) -> Path:
    """Write clips that all differ, in the format of each name's suffix; return `root`."""
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, noise(seed=number), 16000, format=path.suffix[1:].upper())
    return root


def touch_clips(root: Path, names: Iterable[str]) -> Path:
    """Like `write_clips`, but with nothing that could be decoded: scanning needs only names."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


# Final labels of the release per session; fru … xxx are divided so that the sessions have the
# 1,819, 1,811, 2,136, 2,103 and 2,170 turns they have, and the labels the totals they have.
IEMOCAP_COUNTS: dict[int, dict[str, int]] = {
    1: {"ang": 229, "neu": 384, "sad": 194, "hap": 135, "exc": 143},
    2: {"ang": 137, "neu": 362, "sad": 197, "hap": 117, "exc": 210},
    3: {"ang": 240, "neu": 320, "sad": 305, "hap": 135, "exc": 151},
    4: {"ang": 327, "neu": 258, "sad": 143, "hap": 65, "exc": 238},
    5: {"ang": 170, "neu": 384, "sad": 245, "hap": 143, "exc": 299},
}
IEMOCAP_OTHERS = {"fru": 1849, "sur": 107, "fea": 40, "oth": 3, "dis": 2, "xxx": 2507}
IEMOCAP_TURNS = {1: 1819, 2: 1811, 3: 2136, 4: 2103, 5: 2170}


def iemocap_labels() -> dict[int, list[str]]:
    """Return the raw labels of all turns per session: 10,039 in all."""
    others = [label for label, count in IEMOCAP_OTHERS.items() for _ in range(count)]
    labels = {}
    for session, counts in IEMOCAP_COUNTS.items():
        own = [label for label, count in counts.items() for _ in range(count)]
        rest = IEMOCAP_TURNS[session] - len(own)
        labels[session] = own + others[:rest]
        others = others[rest:]
    assert not others
    return labels


def write_iemocap(root: Path, labels: Mapping[int, list[str]]) -> Path:
    """Write a release with these labels: 14 dialogues a session, the clips links to one file."""
    root.mkdir(parents=True, exist_ok=True)
    one = root / "one.bin"
    sf.write(one, noise(0.4), 16000, format="WAV")
    for session, raw in labels.items():
        base = root / f"Session{session}"
        evaluations = base / "dialog" / "EmoEvaluation"
        for kind in ("Attribute", "Categorical", "Self-evaluation"):
            (evaluations / kind).mkdir(parents=True)
        (evaluations / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07")
        scenes = ["impro01", "impro02", "impro05a", "script01_1", "script01_1b", "script02_2"]
        dialogues = [f"Ses{session:02d}{wears}_{scene}" for wears in "FM" for scene in scenes]
        for number, dialogue in enumerate(dialogues):
            folder = base / "sentences" / "wav" / dialogue
            folder.mkdir(parents=True)
            lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
            for turn, label in enumerate(raw[number :: len(dialogues)]):
                utt = f"{dialogue}_{'FM'[turn % 2]}{turn // 2:03d}"
                os.link(one, folder / f"{utt}.wav")
                start = 6.2901 + turn
                lines += [
                    f"[{start:.4f} - {start + 0.9:.4f}]\t{utt}\t{label}\t[2.5000, 3.0000, 3.5000]",
                    "C-E2:\tNeutral;\t()",
                    "C-E3:\tAnger; Frustration;\t()",
                    "C-F1:\tNeutral;\t(confused)",
                    "A-E3:\tval 3; act 2; dom  2;\t()",
                    "A-F1:\tval 3; act 2; dom  1;\t()",
                    "",
                ]
            (evaluations / f"{dialogue}.txt").write_text("\n".join(lines))
    one.unlink()
    return root
