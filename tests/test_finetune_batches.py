"""Batches: nothing lost, nothing twice, and crops only where they belong."""

import numpy as np
import torch
from finetune_clips import CPU, random_clips
from hypothesis import given
from hypothesis import strategies as st

from after_ser.finetune.batches import collate, crop, epoch_batches, scoring_batches

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
