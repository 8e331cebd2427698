"""Which clips are refused, and what happens to copies."""

from __future__ import annotations

import re

import numpy as np
import pytest

from after_ser.data.audio.checks import defect, duplicates
from after_ser.data.audio.read import Clip
from tests.data.corpora_trees import noise


def judge(samples: np.ndarray, rate: int = 16000) -> str:
    return defect(Clip(np.asarray(samples, np.float32), rate, 1))


def test_speech_passes_even_when_soft_or_too_loud() -> None:
    assert judge(noise()) == ""
    assert judge(noise(level=0.001)) == ""
    assert judge(noise(level=3.0)) == ""


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([], "empty"),
        (np.zeros(16000), "silent"),
        (np.full(16000, 0.2), "silent"),
        (noise(level=1e-4), "silent"),
        ([0.1, np.nan] * 8000, "not finite (NaN/inf)"),
        ([0.1, -np.inf] * 8000, "not finite (NaN/inf)"),
        (noise(0.29), "shorter than 0.3 s"),
        (np.full(16000, 20000.0), "corrupt: samples reach 20000"),
    ],
)
def test_reasons(samples: np.ndarray, reason: str) -> None:
    assert judge(samples).startswith(reason)


def test_a_clip_of_exactly_0_3_s_passes_at_any_rate() -> None:
    for rate in (8000, 16000, 44100, 48000):
        assert judge(noise(0.3, rate), rate) == ""
        assert judge(noise(0.3, rate)[:-1], rate) == "shorter than 0.3 s"


def clips(*rows: tuple[str, str, str]) -> list[dict[str, str]]:
    return [{"utt": utt, "sha256": sha, "raw_label": label} for utt, sha, label in rows]


def test_equal_labels_keep_the_first_copy() -> None:
    found = duplicates(clips(("a", "1", "W"), ("b", "2", "W"), ("c", "1", "W"), ("d", "1", "W")))
    assert found == {"c": "duplicate of a", "d": "duplicate of a"}


def test_different_labels_reject_every_copy() -> None:
    found = duplicates(clips(("a", "1", "W"), ("b", "1", "W"), ("c", "1", "N"), ("d", "2", "N")))
    said = {utt: re.findall(r"of (\w) .*\((\w)\)", reason) for utt, reason in found.items()}
    assert said == {"a": [("c", "N")], "b": [("c", "N")], "c": [("a", "W")]}


def test_a_copy_without_label_contradicts_none() -> None:
    assert duplicates(clips(("a", "1", ""), ("b", "1", "W"))) == {"a": "duplicate of b"}
    assert duplicates(clips(("a", "1", ""), ("b", "1", ""))) == {"b": "duplicate of a"}
    assert len(duplicates(clips(("a", "1", ""), ("b", "1", "W"), ("c", "1", "N")))) == 3
