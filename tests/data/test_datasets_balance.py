"""Balancing meets its ratio, drops as little as possible, and spreads what it drops."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pandas as pd
import pytest
from datasets_tables import CLASSES, clip
from hypothesis import given, settings
from hypothesis import strategies as st

from after_ser.core.errors import InputError
from after_ser.data.datasets.balance import balance_clips, ratio_counts
from after_ser.data.datasets.sampling import allocate, shuffled


def table(counts: dict[tuple[str, str, str], int]) -> pd.DataFrame:
    """Clips per (corpus, speaker, label)."""
    return pd.DataFrame(
        [
            clip(f"{speaker}_{label}{i}", label, speaker, corpus=corpus)
            for (corpus, speaker, label), count in counts.items()
            for i in range(count)
        ]
    )


def most_by_search(available: dict[str, int], ratio: dict[str, int]) -> int:
    """The most clips that stand in the ratio within half a clip, by trying every count.

    The common scale may not exceed what the scarcest class can give.
    """
    limit = min(Fraction(available[name], ratio[name]) for name in available)
    half, best = Fraction(1, 2), 0
    for counts in product(*(range(1, count + 1) for count in available.values())):
        pairs = list(zip(counts, available, strict=True))
        lowest = max((count - half) / ratio[name] for count, name in pairs)
        highest = min((count + half) / ratio[name] for count, name in pairs)
        if lowest <= min(highest, limit):
            best = max(best, sum(counts))
    return best


@settings(max_examples=60)
@given(
    st.lists(st.integers(2, 9), min_size=2, max_size=3),
    st.lists(st.integers(1, 4), min_size=3, max_size=3),
)
def test_ratio_drops_as_little_as_possible(counts, shares):
    available = dict(zip("abc", counts, strict=False))
    ratio = {name: shares[i] for i, name in enumerate(available)}
    kept = ratio_counts(available, ratio)
    assert all(1 <= kept[name] <= available[name] for name in available)
    scale = min(Fraction(available[name], ratio[name]) for name in available)
    if all(scale * ratio[name] >= Fraction(1, 2) for name in available):
        assert sum(kept.values()) == most_by_search(available, ratio)


def test_ratio_on_round_numbers():
    available = {"anger": 4784, "neutral": 5547, "sad": 2996, "happy": 3299}
    ratio = {"anger": 1.5, "neutral": 1.4, "sad": 1.0, "happy": 1.5}
    # 3299 / 1.5 is the smallest scale
    assert ratio_counts(available, ratio) == {
        "anger": 3299,
        "neutral": 3079,
        "sad": 2199,
        "happy": 3299,
    }
    assert ratio_counts({"a": 30, "b": 14}, {"a": 1.5, "b": 1.4}) == {"a": 15, "b": 14}


def test_absent_class_and_zero_ratio():
    assert ratio_counts({"a": 10, "b": 0, "c": 4}, {"a": 1, "b": 1, "c": 1}) == {
        "a": 4,
        "b": 0,
        "c": 4,
    }
    assert ratio_counts({"a": 10, "b": 3}, {"a": 1, "b": 0}) == {"a": 10, "b": 0}
    with pytest.raises(InputError, match="leaves no clip"):
        ratio_counts({"a": 0, "b": 3}, {"a": 1, "b": 0})
    with pytest.raises(InputError, match="classes a, b"):
        ratio_counts({"a": 1, "b": 3}, {"a": 1})
    with pytest.raises(InputError, match=r"balance\.ratio\.b is -1"):
        ratio_counts({"a": 1, "b": 3}, {"a": 1, "b": -1})


STRATA = st.dictionaries(
    st.tuples(st.sampled_from(["t", "x"]), st.sampled_from(["1", "2", "3"]),
              st.sampled_from(CLASSES)),
    st.integers(1, 12),
    min_size=1,
)  # fmt: skip


@settings(max_examples=60)
@given(STRATA, st.randoms(use_true_random=False))
def test_kept_counts_spread_and_determinism(counts, random):
    clips = table(counts)
    keep = balance_clips(clips, CLASSES, "merged", 1)
    kept = clips[keep]
    ratio = {"anger": 1.5, "neutral": 1.4, "sad": 1.0, "happy": 1.5}
    available = {name: int((clips["label"] == name).sum()) for name in CLASSES}
    assert {n: int((kept["label"] == n).sum()) for n in CLASSES} == ratio_counts(available, ratio)
    for label, own in clips.groupby("label"):
        share = (kept["label"] == label).sum() / len(own)
        for corpus, part in own.groupby("corpus"):
            left = kept[(kept["label"] == label) & (kept["corpus"] == corpus)]
            assert abs(len(left) - share * len(part)) < 1
            for speaker, takes in part.groupby("speaker"):
                mean = len(left) / len(part) * len(takes)
                assert abs((left["speaker"] == speaker).sum() - mean) < 1
    order = list(range(len(clips)))
    random.shuffle(order)
    again = clips.iloc[order]
    same = again[balance_clips(again, CLASSES, "merged", 1)]
    assert set(same["utt"]) == set(kept["utt"])


def test_draw_depends_on_dataset_and_fold_only():
    clips = table({("t", "1", label): 30 for label in CLASSES})
    first, again, fold, name = (
        set(clips.loc[balance_clips(clips, CLASSES, dataset, number), "utt"])
        for dataset, number in (("m", 1), ("m", 1), ("m", 2), ("n", 1))
    )
    assert first == again and first != fold and first != name


def test_cap_per_corpus_and_label():
    clips = table({("t", "1", "sad"): 3, ("t", "2", "sad"): 9, ("x", "1", "sad"): 2,
                   ("x", "1", "anger"): 20})  # fmt: skip
    kept = clips[balance_clips(clips, CLASSES, "m", 1, method="cap", cap=4)]
    sizes = kept.groupby(["corpus", "speaker", "label"]).size().to_dict()
    assert sizes == {
        ("t", "t/1", "sad"): 1,
        ("t", "t/2", "sad"): 3,
        ("x", "x/1", "sad"): 2,
        ("x", "x/1", "anger"): 4,
    }
    for cap in (None, 0):
        with pytest.raises(InputError, match=r"balance\.cap"):
            balance_clips(clips, CLASSES, "m", 1, method="cap", cap=cap)


def test_none_keeps_all_and_unknown_methods_stop():
    clips = table({("t", "1", "sad"): 3, ("t", "1", "anger"): 9})
    assert balance_clips(clips, CLASSES, "m", 1, method="none").all()
    with pytest.raises(InputError, match="ratio, cap, none"):
        balance_clips(clips, CLASSES, "m", 1, method="smote")
    with pytest.raises(InputError, match="needs a ratio"):
        balance_clips(clips, ["sad", "anger"], "m", 1)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), st.integers(0, 5)), min_size=1),
       st.data())  # fmt: skip
def test_allocate_adds_up_within_bounds(strata, data):
    sizes = [size for size, _, _ in strata]
    lower = [min(low, size) for size, low, _ in strata]
    upper = [max(low, size - less) for (size, _, less), low in zip(strata, lower, strict=True)]
    total = data.draw(st.integers(sum(lower), sum(upper)))
    shares = allocate(total, sizes, lower, upper)
    assert sum(shares) == total
    assert all(a <= s <= b for a, s, b in zip(lower, shares, upper, strict=True))
    with pytest.raises(ValueError):
        allocate(sum(upper) + 1, sizes, lower, upper)


@settings(max_examples=100)
@given(st.lists(st.integers(1, 30), min_size=1), st.floats(0, 1))
def test_allocate_is_within_one_of_proportional(sizes, share):
    total = int(share * sum(sizes))
    for size, got in zip(sizes, allocate(total, sizes), strict=True):
        assert abs(got - total * size / sum(sizes)) < 1


def test_shuffled_is_stable_when_names_are_added():
    names = [f"n{i}" for i in range(20)]
    order = shuffled(names, "balance", "m", 1)
    assert order == shuffled(names[::-1], "balance", "m", 1) != names
    more = shuffled([*names, "extra1", "extra2"], "balance", "m", 1)
    assert [name for name in more if name in names] == order
