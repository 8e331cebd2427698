"""Builds small manifests for the tests of merging, balancing, folds and audits."""

from __future__ import annotations

import pandas as pd

CLASSES = ["anger", "neutral", "sad", "happy"]


def clip(utt: str, label: str, speaker: str, corpus: str = "t", **more: str) -> dict[str, str]:
    """One row of a dataset manifest; utt, speaker and session get the corpus as a prefix."""
    row = {
        "utt": f"{corpus}/{utt}",
        "corpus": corpus,
        "path": f"results/corpora/{corpus}/audio/{utt}.flac",
        "speaker": f"{corpus}/{speaker}",
        "session": "",
        "gender": "",
        "language": "de",
        "text_id": "",
        "label": label,
        "valence": "",
        "arousal": "",
        "dominance": "",
        "duration_s": "1.500000",
        "sha256": f"hash of {corpus}/{utt}",
    }
    row |= more
    if row["session"]:
        row["session"] = f"{corpus}/{row['session']}"
    return row


def sessions_manifest(
    sessions: int = 5, per_class: int = 6, extra: int = 2, extra_per_class: int = 5
) -> pd.DataFrame:
    """A target "t" with two speakers per session and an extra corpus "x" with `extra` speakers."""
    rows = []
    for session in range(1, sessions + 1):
        for gender in ("female", "male"):
            speaker = f"Ses{session:02d}{gender[0].upper()}"
            rows += [
                clip(
                    f"{speaker}_{label}{i}",
                    label,
                    speaker,
                    session=f"Ses{session}",
                    gender=gender,
                    text_id=f"s{i}",
                    duration_s=f"{1 + i / 10:.6f}",
                )
                for label in CLASSES
                for i in range(per_class)
            ]
    for number in range(extra):
        rows += [
            clip(
                f"sp{number}_{label}{i}",
                label,
                f"sp{number}",
                corpus="x",
                text_id=f"s{i}",
                duration_s=f"{1 + i / 10:.6f}",
            )
            for label in CLASSES
            for i in range(extra_per_class)
        ]
    return pd.DataFrame(rows)


def corpus_manifest(*clips: tuple[str, str, str], **columns: str) -> pd.DataFrame:
    """A corpus manifest of (utt, raw label, speaker) clips, other columns plain or as given."""
    rows = [
        {
            "utt": utt,
            "path": f"audio/{utt}.flac",
            "speaker": speaker,
            "session": "",
            "gender": "",
            "language": "de",
            "text_id": "",
            "raw_label": raw,
            "valence": "",
            "arousal": "",
            "dominance": "",
            "duration_s": "1.500000",
            "sample_rate": "16000",
            "channels": "1",
            "sha256": f"{raw} {utt} {speaker}",
            **columns,
        }
        for utt, raw, speaker in clips
    ]
    names = "utt path speaker session gender language text_id raw_label valence arousal dominance"
    names += " duration_s sample_rate channels sha256"
    return pd.DataFrame(rows, columns=names.split())
