"""Bootstrap over speakers: by brute force, on clustered data, and what it refuses."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from after_ser.core.errors import InputError
from after_ser.core.metrics import score
from after_ser.judge import bootstrap
from after_ser.judge.bootstrap import (
    COUNTS,
    bootstrap_ua,
    bootstrap_ua_difference,
    gather_counts,
    recall_counts,
)
from after_ser.run.atomic import write_tsv

CLASSES = ["anger", "sad"]


def counts(table: dict[str, tuple[str, list[tuple[int, int]]]], seed: str = "0") -> pd.DataFrame:
    """Return COUNTS of {speaker: (fold, [(clips, correct) per class])}."""
    rows = [
        (fold, seed, speaker, label, n, correct)
        for speaker, (fold, cells) in table.items()
        for label, (n, correct) in zip(CLASSES, cells, strict=True)
        if n
    ]
    return pd.DataFrame(rows, columns=COUNTS)


def made_up(speakers: int, spread: float, clips: int = 50, seed: int = 0) -> pd.DataFrame:
    """Return counts of speakers whose own accuracy varies by `spread`."""
    noise = np.random.default_rng(seed)
    table = {}
    for index in range(speakers):
        right = np.clip(0.6 + noise.normal(0, spread), 0, 1)
        cells = [(clips, int(noise.binomial(clips, right))) for _ in CLASSES]
        table[f"s{index:02}"] = (str(index % 5 + 1), cells)
    return counts(table)


def test_every_possible_draw_of_three_speakers():
    table = counts(
        {"a": ("1", [(4, 4), (2, 0)]), "b": ("2", [(1, 0), (3, 3)]), "c": ("3", [(5, 2), (5, 4)])}
    )
    n = {"a": (4, 2), "b": (1, 3), "c": (5, 5)}
    right = {"a": (4, 0), "b": (0, 3), "c": (2, 4)}

    def ua(draw):
        pairs = [(sum(right[s][k] for s in draw), sum(n[s][k] for s in draw)) for k in (0, 1)]
        return np.mean([hits / clips for hits, clips in pairs])

    every = [ua(draw) for draw in itertools.product("abc", repeat=3)]
    result = bootstrap_ua(table, "by hand")
    assert result["mean"] == pytest.approx(ua("abc"))
    low, high = np.quantile(every, [0.025, 0.975], method="inverted_cdf")
    assert result["ci_low"] == pytest.approx(low, abs=0.03)
    assert result["ci_high"] == pytest.approx(high, abs=0.03)
    assert min(every) <= result["ci_low"] < result["mean"] < result["ci_high"] <= max(every)


def test_speakers_and_not_clips_are_drawn():
    alike = bootstrap_ua(made_up(40, 0.0), "x")
    apart = bootstrap_ua(made_up(40, 0.2), "x")
    narrow, wide = (one["ci_high"] - one["ci_low"] for one in (alike, apart))
    # 4000 clips of independent outcome: about 2 * 1.96 * sqrt(0.24 / 4000) = 0.03
    assert narrow == pytest.approx(0.03, rel=0.25)
    assert wide > 2.5 * narrow


def test_a_difference_is_paired_by_speaker_and_seeds_are_averaged():
    first, second = made_up(20, 0.2), made_up(20, 0.2)
    better = first.assign(correct=np.minimum(first["n"], first["correct"] + 3))
    apart = bootstrap_ua_difference(better, second, "x")
    own = bootstrap_ua(first, "x")
    assert apart["ci_high"] - apart["ci_low"] < 0.2 * (own["ci_high"] - own["ci_low"])
    assert 0 < apart["ci_low"] <= apart["mean"] <= apart["ci_high"]
    two = pd.concat([first, second.assign(seed="1", correct=first["n"])])
    assert bootstrap_ua(two, "x")["mean"] == pytest.approx((own["mean"] + 1) / 2)
    assert bootstrap_ua(two, "x")["n_seeds"] == 2


def test_the_interval_has_a_named_seed_and_no_order():
    table = made_up(8, 0.2)
    result = bootstrap_ua(table, "one")
    assert bootstrap_ua(table.sample(frac=1, random_state=3), "one") == result
    assert bootstrap_ua(table, "two") != result


@pytest.mark.parametrize(
    ("speakers", "note"),
    [(1, "no bootstrap"), (4, "not trustworthy"), (10, "too narrow"), (40, "")],
)
def test_few_speakers_are_named(speakers, note):
    result = bootstrap_ua(made_up(speakers, 0.1), "x")
    assert result["n_speakers"] == speakers
    assert note in result["note"] if note else result["note"] == ""
    assert (result["ci_low"] is None) == (speakers == 1)


def test_what_is_no_pair_or_no_pool_is_an_error():
    table = made_up(6, 0.1)
    with pytest.raises(ValueError, match="two folds"):
        bootstrap_ua(pd.concat([table, table.assign(fold="9")]), "x")
    with pytest.raises(ValueError, match="twice"):
        bootstrap_ua(pd.concat([table, table]), "x")
    part = table[table["fold"] == "1"].assign(seed="1")
    with pytest.raises(ValueError, match="lacks a fold"):
        bootstrap_ua(pd.concat([table, part]), "x")
    for other in (table.assign(seed="7"), table[table["speaker"] != "s00"], table.assign(n=49)):
        with pytest.raises(ValueError, match="no pair"):
            bootstrap_ua_difference(table, other, "x")


def predictions(path, rows):
    frame = pd.DataFrame(rows, columns=["utt", "split", "label", "p_anger", "p_sad"])
    write_tsv(path, frame)
    return path


def test_counts_are_those_that_ua_is_made_of(tmp_path):
    rows = [
        ("c/1", "val", "sad", 0.9, 0.1),
        ("c/2", "test", "anger", 0.9, 0.1),
        ("c/3", "test", "anger", 0.2, 0.8),
        ("c/4", "test", "sad", 0.5, 0.5),
        ("c/5", "test", "sad", 0.1, 0.9),
        ("c/6", "test", "sad", 0.1, 0.9),
    ]
    path = predictions(tmp_path / "predictions.tsv", rows)
    speakers = {"c/2": "x", "c/3": "y", "c/4": "x", "c/5": "y", "c/6": "y"}
    table = recall_counts(path, speakers, CLASSES)
    assert table.to_dict("records") == [
        {"speaker": "x", "label": "anger", "n": 1, "correct": 1},
        {"speaker": "x", "label": "sad", "n": 1, "correct": 0},  # the first of equals wins
        {"speaker": "y", "label": "anger", "n": 1, "correct": 0},
        {"speaker": "y", "label": "sad", "n": 2, "correct": 2},
    ]
    test = [row for row in rows if row[1] == "test"]
    whole = score([row[2] for row in test], np.array([row[3:] for row in test]), CLASSES)
    pooled = bootstrap_ua(table.assign(fold="1", seed="0"), "x")
    assert pooled["mean"] == pytest.approx(whole["ua"])
    with pytest.raises(InputError, match="c/6 has no speaker"):
        recall_counts(path, speakers | {"c/6": ""}, CLASSES)
    with pytest.raises(InputError, match="column p_happy missing"):
        recall_counts(path, speakers, [*CLASSES, "happy"])


def test_a_shared_file_is_read_once(tmp_path, monkeypatch):
    path = predictions(tmp_path / "p.tsv", [("c/1", "test", "sad", 0.1, 0.9)])
    reads = []
    monkeypatch.setattr(
        bootstrap, "recall_counts", lambda *given: reads.append(given) or recall_counts(*given)
    )
    cells = [
        SimpleNamespace(predictions=str(path), arm=arm, budget=0.1, fold=1, seed=0)
        for arm in ("after", "margin")
    ]
    table = gather_counts(cells, {"c/1": "x"}, CLASSES)
    assert list(table["arm"]) == ["after", "margin"] and len(reads) == 1
    assert list(table.columns) == ["arm", "budget", *COUNTS]
