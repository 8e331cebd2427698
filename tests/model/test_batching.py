"""Batches: every clip once an epoch, bounded, and a function of the seed alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from after_ser.model.batching import StepSchedule, length_batches

LENGTHS = np.random.default_rng(0).uniform(0.3, 12, size=97)


@hypothesis_settings(max_examples=50)
@given(
    st.lists(st.floats(0.1, 30), min_size=1, max_size=60),
    st.floats(1, 60),
    st.integers(0, 5),
)
def test_every_clip_exactly_once_and_cost_bounded(durations, seconds, epoch):
    batches = length_batches(durations, seconds, "x", epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(durations)))
    for batch in batches:
        cost = max(durations[i] for i in batch) * len(batch)
        assert cost <= seconds or len(batch) == 1


def test_same_seed_same_batches_other_epoch_other_batches():
    def one(*seed):
        return [batch.tolist() for batch in length_batches(LENGTHS, 40, *seed)]

    assert one("a", 0) == one("a", 0)
    assert one("a", 0) != one("a", 1)


def test_little_is_padding():
    cost = sum(LENGTHS[b].max() * len(b) for b in length_batches(LENGTHS, 40, "a", 0))
    assert cost < 1.15 * LENGTHS.sum()


def test_without_a_seed_batches_are_in_order_of_length():
    flat = np.concatenate(length_batches(LENGTHS, 40))
    assert (np.diff(LENGTHS[flat]) >= 0).all()


def test_schedule_gives_whole_epochs_and_needs_no_history():
    forward = StepSchedule(LENGTHS, 40, "s")
    steps = [forward.batch(step) for step in range(60)]
    for epoch in (0, 1):
        heard = np.concatenate([indices for at, indices in steps if at == epoch])
        assert sorted(heard) == list(range(len(LENGTHS)))
    by_epoch = [[indices.tolist() for at, indices in steps if at == epoch] for epoch in (0, 1)]
    assert by_epoch[0] != by_epoch[1]
    for step in (37, 5, 59):
        epoch, indices = StepSchedule(LENGTHS, 40, "s").batch(step)
        assert epoch == steps[step][0]
        assert indices.tolist() == steps[step][1].tolist()
    assert forward.batch(5)[1].tolist() == steps[5][1].tolist()


def test_one_long_clip_gets_its_own_batch():
    assert length_batches([100.0], 10, "x")[0].tolist() == [0]
    assert len(length_batches([100.0, 1.0, 1.0], 10, "x")) == 2


def test_no_clips_no_batches():
    assert length_batches([], 10) == []
    with pytest.raises(ValueError, match="no clips"):
        StepSchedule([], 10, "s")
