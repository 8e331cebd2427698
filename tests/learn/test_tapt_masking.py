"""Masks: share, spans, short clips, padding; and negatives."""

import numpy as np
import pytest

from after_ser.learn.tapt.masking import sample_negatives, span_mask


def runs(row):
    """Lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return edges[1::2] - edges[::2]


@pytest.mark.parametrize(("share", "length"), [(0.15, 149), (0.15, 499), (0.5, 149), (0.05, 499)])
def test_share_is_exact_on_average(share, length):
    mask = span_mask(np.full(2_000, length), length, share, 10, "test")
    assert mask.mean() == pytest.approx(share, rel=0.03)


def test_spans_are_whole_and_disjoint():
    mask = span_mask(np.full(500, 200), 200, 0.15, 10, "test")
    assert all((runs(row) % 10 == 0).all() for row in mask)


def test_every_frame_can_be_masked():
    hits = span_mask(np.full(5_000, 60), 60, 0.15, 10, "test").mean(axis=0)
    assert (hits > 0.005).all()


@pytest.mark.parametrize("length", range(1, 26))
def test_short_clips_have_a_masked_and_an_unmasked_frame(length):
    mask = span_mask(np.full(50, length), 30, 0.15, 10, "test")
    assert (mask.sum(axis=1) >= 1).all()
    if length > 1:
        assert (mask.sum(axis=1) < length).all()


def test_padding_is_never_masked():
    lengths = np.array([1, 5, 40, 77, 100])
    for seed in range(50):
        mask = span_mask(lengths, 100, 0.5, 10, "test", seed)
        assert not mask[np.arange(100)[None, :] >= lengths[:, None]].any()


def test_mask_depends_on_the_seed_alone():
    lengths = np.array([50, 80])
    assert (span_mask(lengths, 80, 0.3, 5, 1) == span_mask(lengths, 80, 0.3, 5, 1)).all()
    assert (span_mask(lengths, 80, 0.3, 5, 1) != span_mask(lengths, 80, 0.3, 5, 2)).any()


def test_negatives_are_other_masked_frames_of_the_same_clip():
    mask = span_mask(np.array([30, 20, 7]), 30, 0.5, 4, "test")
    where = np.flatnonzero(mask)
    negatives = sample_negatives(mask, 200, "test")
    assert negatives.shape == (len(where), 200)
    assert mask.ravel()[negatives].all()
    assert (negatives // 30 == where[:, None] // 30).all()
    assert (negatives != where[:, None]).all()
    for own, drawn in zip(where, negatives, strict=True):  # and each other one is drawn
        others = set(where[where // 30 == own // 30]) - {own}
        assert set(drawn) == others


def test_a_single_masked_frame_gets_itself():
    mask = np.array([[False, True, False], [True, True, False]])
    assert sample_negatives(mask, 3, "test").tolist() == [[1] * 3, [4] * 3, [3] * 3]
