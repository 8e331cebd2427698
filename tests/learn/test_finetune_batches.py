"""Batches: nothing lost, nothing twice, and crops only where they belong."""

import numpy as np
import torch
from finetune_clips import CPU, random_clips
from hypothesis import given
from hypothesis import strategies as st

from after_ser.learn.finetune.batches import (
    collate,
    crop,
    epoch_batches,
    first_frames,
    scoring_batches,
)

lengths_of_clips = st.lists(st.integers(1, 400), min_size=1, max_size=90)


@given(lengths_of_clips, st.integers(1, 20), st.integers(0, 5))
def test_an_epoch_has_every_clip_once_also_those_of_the_last_batch(lengths, size, seed):
    batches = epoch_batches(np.array(lengths), size, np.random.default_rng(seed))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert max(len(batch) for batch in batches) <= size
    assert len(batches) == -(-len(lengths) // size)


def test_epochs_are_shuffled_and_batches_hold_clips_of_similar_length():
    lengths = np.random.default_rng(0).integers(10, 300, size=256)
    draw = np.random.default_rng(1)
    first, second = epoch_batches(lengths, 16, draw), epoch_batches(lengths, 16, draw)
    assert [list(batch) for batch in first] != [list(batch) for batch in second]
    padded = sum(len(batch) * lengths[batch].max() for batch in first)
    unsorted = sum(len(part) * part.max() for part in np.split(lengths, 16))
    assert padded < 0.75 * unsorted


@given(lengths_of_clips, st.integers(1, 900))
def test_scoring_takes_every_clip_once_within_the_memory_limit(lengths, limit):
    sizes = np.array(lengths)
    batches = scoring_batches(sizes, limit)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * sizes[batch].max() <= limit


def test_padding_is_zero_and_lengths_are_the_clips_own():
    clips = random_clips(5)
    padded, lengths = collate(clips.frames, CPU)
    assert padded.dtype == torch.float32 and lengths.tolist() == list(clips.lengths())
    for row, frames in enumerate(clips.frames):
        np.testing.assert_array_equal(padded[row, : len(frames)], frames.astype(np.float32))
        assert not padded[row, len(frames) :].any()


def test_a_crop_is_a_window_of_the_clip_and_short_clips_stay_whole():
    frames = np.arange(50, dtype=np.float16)[:, None]
    draw = np.random.default_rng(0)
    starts = set()
    for _ in range(200):
        window = crop(frames, 8, draw)[:, 0]
        np.testing.assert_array_equal(np.diff(window), 1)
        assert len(window) == 8
        starts.add(int(window[0]))
    assert min(starts) == 0 and max(starts) == 42
    assert crop(frames, 50, draw) is frames


@given(lengths_of_clips, st.integers(1, 20), st.integers(0, 5))
def test_shuffled_whole_epochs_are_drawn_as_ever(lengths, size, seed):
    """The default's batches, written out once more: a switch must not move any of its draws."""
    sizes, draw = np.array(lengths), np.random.default_rng(seed)
    order, expected = draw.permutation(len(sizes)), []
    for start in range(0, len(order), size * 8):
        part = order[start : start + size * 8]
        part = part[np.argsort(sizes[part], kind="stable")]
        expected += [part[i : i + size] for i in range(0, len(part), size)]
    expected = [expected[index] for index in draw.permutation(len(expected))]
    found = epoch_batches(sizes, size, np.random.default_rng(seed))
    assert [list(batch) for batch in found] == [list(batch) for batch in expected]


@given(st.integers(1, 90), st.integers(1, 20), st.booleans())
def test_without_shuffling_the_order_stays_and_drop_last_loses_exactly_the_last(count, size, drop):
    lengths = np.random.default_rng(count).integers(1, 400, size=count)
    batches = epoch_batches(lengths, size, np.random.default_rng(0), False, drop)
    used = count if not drop or count < size else count - count % size
    assert list(np.concatenate(batches)) == list(range(used))
    if drop and count >= size:
        assert {len(batch) for batch in batches} == {size}


@given(st.integers(1, 90), st.integers(1, 20))
def test_drop_last_with_shuffling_loses_other_clips_every_epoch_and_as_few(count, size):
    lengths, draw = np.arange(1, count + 1), np.random.default_rng(1)
    epochs = [np.concatenate(epoch_batches(lengths, size, draw, True, True)) for _ in range(2)]
    for clips in epochs:
        assert len(set(clips)) == len(clips) == (count - count % size or count)


def test_the_first_frames_are_kept_and_short_clips_stay_whole():
    clips = random_clips(6, shortest=3, longest=30)
    short = first_frames(clips, 10)
    assert short.utts == clips.utts
    for one, two in zip(clips.frames, short.frames, strict=True):
        np.testing.assert_array_equal(two, one[:10])
