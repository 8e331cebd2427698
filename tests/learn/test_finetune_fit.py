"""The training loop: every labelled clip, the best epoch, frozen parts, named random draws."""

import numpy as np
import pytest
import torch
from finetune_clips import (
    CLASSES,
    CPU,
    FRAMES_PER_SECOND,
    SETTINGS,
    labels,
    random_clips,
    ua,
    write_start,
)

from after_ser.core.errors import InputError
from after_ser.core.protocol import SWITCHES, TRAINING
from after_ser.learn.finetune import train as train_module
from after_ser.learn.finetune.batches import Clips
from after_ser.learn.finetune.predict import predict
from after_ser.learn.finetune.train import fit
from after_ser.learn.losses import class_weights, val_scores
from after_ser.model.classifier import start_classifier


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return write_start(tmp_path_factory.mktemp("start"))


def run(start, count=13, train=None, truth=None, val=None, parts=("fit", 1), before=0, **changes):
    model = start_classifier(start, CLASSES, SETTINGS["head"], 7)
    torch.manual_seed(before)  # where the generators stand must not matter
    np.random.seed(before)
    train = random_clips(count, seed=1) if train is None else train
    truth = labels(len(train.utts)) if truth is None else truth
    val = random_clips(8, seed=2) if val is None else val
    settings = {**SETTINGS, **changes}
    fitted = fit(
        model, train, truth, val, labels(len(val.utts)), settings, FRAMES_PER_SECOND, parts, CPU
    )
    return model, fitted, val


def numbers(truth):
    return [CLASSES.index(label) for label in truth]


@pytest.fixture
def seen(monkeypatch):
    """What training batches hold, as lists of clips; scoring has a collate of its own."""
    batches = []
    original = train_module.collate

    def recording(frames, device):
        batches.append([np.array(clip) for clip in frames])
        return original(frames, device)

    monkeypatch.setattr(train_module, "collate", recording)
    return batches


def numbered(count, length=6):
    """Clips whose first channel is their number."""
    clips = random_clips(count, seed=3, shortest=length, longest=length)
    for number, frames in enumerate(clips.frames):
        frames[:, 0] = number
    return clips


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_every_clip_is_seen_in_each_epoch_also_those_of_the_last_batch(start, seen, count):
    run(start, train=numbered(count), max_epochs=2, patience=2)
    numbers = [int(clip[0, 0]) for batch in seen for clip in batch]
    assert sorted(numbers[:count]) == list(range(count))
    assert sorted(numbers[count:]) == list(range(count))


def test_training_crops_long_clips_at_different_places_and_no_short_ones(start, seen):
    clips = random_clips(4, seed=4, shortest=100, longest=100)
    clips.frames[0] = clips.frames[0][:20]
    for frames in clips.frames:
        frames[:, 0] = np.arange(len(frames))
    run(start, train=clips, crop_s=2, max_epochs=3, patience=3)
    found = [clip for batch in seen for clip in batch]
    assert sorted({len(clip) for clip in found}) == [20, 50]
    assert len({int(clip[0, 0]) for clip in found if len(clip) == 50}) > 3


def test_the_best_epoch_is_restored_and_patience_ends_the_training(start):
    # labels that mean nothing: the model learns them by heart and gets worse on val
    truth = list(np.random.default_rng(5).permutation(labels(13)))
    model, fitted, val = run(start, truth=truth, learning_rate=0.02, max_epochs=40, patience=4)
    losses = list(fitted.history["val_loss"])
    best = int(np.argmin(losses)) + 1
    assert list(fitted.history["epoch"]) == list(range(1, len(losses) + 1))
    assert fitted.best_epoch == best
    assert len(losses) == best + 4 < 40, "it stopped after four epochs without a better one"
    probs = predict(model, val, CPU)
    truth = labels(len(val.utts))
    assert val_scores(probs, numbers(truth))[0] == pytest.approx(min(losses), abs=1e-9)
    assert ua(truth, probs) == fitted.history["val_ua"][best - 1]


def test_a_fit_learns_classes_that_can_be_told_apart(start):
    _, fitted, _ = run(start, count=24, learning_rate=0.01, max_epochs=20, patience=20)
    assert fitted.history["val_ua"].max() == 1.0
    assert fitted.history["train_loss"].iloc[-1] < 0.5 * fitted.history["train_loss"].iloc[0]


def the_size_of_the_batch(model, frames, targets, weights, device):
    assert len(frames) == len(targets)
    return torch.tensor(float(len(targets)))


def test_the_reported_train_loss_is_the_mean_over_clips(start, monkeypatch):
    monkeypatch.setattr(train_module, "add_gradients", the_size_of_the_batch)
    _, fitted, _ = run(start, count=9, max_epochs=1)  # batches of 4, 4 and 1
    assert fitted.history["train_loss"][0] == pytest.approx((16 + 16 + 1) / 9)


def test_the_transformer_and_the_head_change_and_the_projection_does_not(start):
    before = start_classifier(start, CLASSES, SETTINGS["head"], 7).state_dict()
    model, _, _ = run(start)
    after = model.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert not {name for name in changed if name.startswith("projection.")}
    assert {"head.output.weight", "head.output.bias"} <= changed
    assert any(name.startswith("transformer.layers.0.attention") for name in changed)
    assert not model.train().projection.training


def test_the_same_names_give_the_same_weights_whatever_ran_before(start):
    first, fitted, _ = run(start, before=1)
    second, again, _ = run(start, before=2)
    other, _, _ = run(start, parts=("fit", 2))
    assert fitted.history.equals(again.history)
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)
    assert not torch.equal(first.head.output.weight, other.head.output.weight)


@pytest.mark.parametrize(("limit", "epochs"), [(0, 3), (1, 1), (7, 1), (8, 2), (11, 2), (99, 3)])
def test_a_step_limit_ends_after_whole_epochs_and_never_before_the_first(start, limit, epochs):
    _, fitted, _ = run(start, count=13, max_steps=limit)  # four steps an epoch, three epochs
    assert len(fitted.history) == epochs


def test_one_clip_is_enough(start):
    _, fitted, _ = run(start, count=1, val=random_clips(1, seed=2))
    assert len(fitted.history) and np.isfinite(fitted.history.to_numpy()).all()


@pytest.mark.parametrize("kind", ["none", "balanced"])
def test_class_weights_are_finite_when_a_class_is_missing(start, kind):
    targets = torch.tensor([0, 0, 0, 2])
    weights = class_weights(targets, 4, kind)
    assert torch.isfinite(weights).all() and (weights >= 0).all()
    if kind == "balanced":
        assert weights.tolist() == pytest.approx([0.5, 0.0, 1.5, 0.0])
    _, fitted, _ = run(start, count=4, truth=["anger", "anger", "anger", "sad"], class_weights=kind)
    assert np.isfinite(fitted.history.to_numpy()).all()


def test_a_loss_that_is_not_finite_stops_with_one_line_that_names_it(start):
    clips = random_clips(6, seed=1)
    clips.frames[2][0, 0] = np.inf
    with pytest.raises(InputError) as caught:
        run(start, train=clips)
    message = str(caught.value)
    assert "\n" not in message
    assert "fine-tuning: the loss is nan at step " in message
    assert "toy/1-" in message and "learning_rate" in message


def test_clips_are_not_changed_by_training(start):
    clips = random_clips(5, seed=1)
    before = [frames.copy() for frames in clips.frames]
    run(start, train=Clips(clips.utts, clips.frames), crop_s=0.4)
    for one, two in zip(before, clips.frames, strict=True):
        np.testing.assert_array_equal(one, two)


def test_default_switches_and_none_at_all_train_the_same_weights(start):
    bare = {key: value for key, value in SETTINGS.items() if key not in SWITCHES}
    assert set(SWITCHES) - {"fast"} <= set(SETTINGS) and set(TRAINING) <= set(SWITCHES)
    models = []
    for settings in (SETTINGS, bare):
        model = start_classifier(start, CLASSES, SETTINGS["head"], 7)
        clips, val = random_clips(13, seed=1), random_clips(8, seed=2)
        fit(model, clips, labels(13), val, labels(8), settings, FRAMES_PER_SECOND, ("f",), CPU)
        models.append(model)
    pairs = zip(models[0].parameters(), models[1].parameters(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)


def test_without_shuffling_every_epoch_is_in_the_order_of_labelling(start, seen):
    run(start, train=numbered(10), max_epochs=2, patience=2, shuffle=False)
    numbers = [[int(clip[0, 0]) for clip in batch] for batch in seen]
    epoch = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert numbers == epoch * 2


@pytest.mark.parametrize(("count", "trained"), [(10, 8), (8, 8), (3, 3)])
def test_a_dropped_last_batch_holds_the_clips_labelled_last(start, seen, count, trained):
    _, fitted, _ = run(start, train=numbered(count), max_epochs=1, shuffle=False, drop_last=True)
    assert [int(clip[0, 0]) for batch in seen for clip in batch] == list(range(trained))
    assert np.isfinite(fitted.history["train_loss"]).all()


def test_dropped_clips_count_neither_as_steps_nor_in_the_train_loss(start, monkeypatch):
    _, fitted, _ = run(start, count=13, max_steps=6, drop_last=True)  # three steps an epoch
    assert len(fitted.history) == 2
    monkeypatch.setattr(train_module, "add_gradients", the_size_of_the_batch)
    _, fitted, _ = run(start, count=9, max_epochs=1, drop_last=True)
    assert fitted.history["train_loss"][0] == pytest.approx(4)


def test_the_last_epoch_is_kept_and_patience_does_not_count(start):
    truth = list(np.random.default_rng(5).permutation(labels(13)))
    changes = {"truth": truth, "learning_rate": 0.02, "max_epochs": 12, "patience": 1}
    best = run(start, **changes)[1]
    assert len(best.history) < 12
    model, fitted, val = run(start, **changes, restore="last")
    losses = list(fitted.history["val_loss"])
    assert len(losses) == 12 == fitted.best_epoch
    assert losses[-1] > min(losses)
    found = val_scores(predict(model, val, CPU), numbers(labels(len(val.utts))))[0]
    assert found == pytest.approx(losses[-1], abs=1e-9)
