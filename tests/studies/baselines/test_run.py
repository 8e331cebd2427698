"""What baselines are shown, what is refused of them, and what a fit leaves."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from after_ser.core.errors import InputError
from after_ser.judge.baselines import NOTES, gather_fits
from after_ser.run.atomic import read_tsv
from after_ser.studies.baselines.base import HISTORY, Fitted
from after_ser.studies.baselines.clips import fixed_length, read_clips, windows
from after_ser.studies.baselines.light_sernet import learning_rate
from after_ser.studies.baselines.registry import METHODS, load, registered
from after_ser.studies.baselines.run import run_baseline, write_result
from after_ser.studies.baselines.train import fit_epochs, shuffled_batches
from tests.studies.baselines.baseline_clips import CLASSES, write_clips

ROWS = {"utt": ["b", "a", "c"], "path": ["B", "A", "C"], "speaker": ["s1", "s1", "s2"]}
MANIFEST = pd.DataFrame(
    {**ROWS, "label": ["low", "high", "high"], "valence": ["2.5", "", ""], "arousal": "",
     "dominance": ""}
)  # fmt: skip
FOLD = pd.DataFrame({"utt": ["c", "b", "a"], "split": ["test", "train", "val"]})
DONE = Fitted(None, pd.DataFrame([(1, 0.5, 0.4, 1.0)], columns=HISTORY), 1, 1, ["said\nso"])


def test_clips_of_a_fold_have_label_path_speaker_and_what_ratings_there_are():
    parts = read_clips(FOLD, MANIFEST, CLASSES)
    (train,), (val,), (test,) = parts["train"], parts["val"], parts["test"]
    assert (train.utt, train.path, train.label, train.speaker) == ("b", "B", 0, "s1")
    assert (train.valence, train.arousal) == (2.5, None)
    assert (val.utt, val.label, test.utt, test.label) == ("a", 1, "c", 1)


def method(probs=None, history=DONE):
    """A method that remembers what it is shown; it is sure of the first class."""
    seen = []

    def fit(train, val, **given):
        seen.append((train, val, given))
        return history

    def predict(model, clips):
        seen.append(clips)
        return np.eye(3)[np.zeros(len(clips), int)] if probs is None else probs

    return SimpleNamespace(fit=fit, predict=predict, seen=seen)


def run(one, parts):
    given = {"classes": CLASSES, "settings": {"a": 1}, "seed": 5, "device": "cpu"}
    return run_baseline("mine", one, parts, **given)


def test_a_method_sees_no_label_and_no_rating_of_what_it_scores():
    manifest = MANIFEST.assign(valence=["2.5", "1.5", "3.5"])
    parts = read_clips(FOLD, manifest, CLASSES)
    one = method()
    run(one, parts)
    (train, val, given), *scored = one.seen
    assert [clip.label for clip in (*train, *val)] == [0, 1]
    assert given == {"classes": CLASSES, "settings": {"a": 1}, "seed": 5, "device": "cpu"}
    assert [clip.utt for part in scored for clip in part] == ["a", "c"]
    assert {(clip.label, clip.valence) for part in scored for clip in part} == {(None, None)}


@pytest.mark.parametrize(
    ("probs", "message"),
    [
        (np.ones((1, 2)) / 2, "(1, 2); expected (1, 3)"),
        (np.array([[0.5, 0.5, 0.5]]), "add up to 1.5"),
        (np.array([[np.nan, 0.5, 0.5]]), "negative, NaN or infinite"),
        (np.array([[-0.5, 1.0, 0.5]]), "negative, NaN or infinite"),
    ],
)
def test_what_are_no_probabilities_is_refused(probs, message):
    with pytest.raises(InputError) as caught:
        run(method(probs), read_clips(FOLD, MANIFEST, CLASSES))
    assert "baseline mine" in str(caught.value) and message in str(caught.value)


def test_a_history_without_its_columns_is_refused():
    bad = Fitted(None, pd.DataFrame({"epoch": [1]}), 1, 1)
    with pytest.raises(InputError, match="columns epoch; expected epoch, train"):
        run(method(history=bad), read_clips(FOLD, MANIFEST, CLASSES))


def test_a_fit_leaves_predictions_metrics_history_and_they_are_gathered(tmp_path):
    parts = read_clips(FOLD, MANIFEST, CLASSES)
    write_result(tmp_path, run(method(), parts), parts, CLASSES)
    predictions = read_tsv(tmp_path / "predictions.tsv")
    assert list(predictions["utt"]) == ["a", "c"] and list(predictions["split"]) == ["val", "test"]
    assert list(predictions.columns[3:]) == ["p_low", "p_high", "p_absent"]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["test"]["ua"] == 0.0 and metrics["n_train"] == metrics["val_labels"] == 1
    assert metrics["notes"] == ["said so"]
    (tmp_path / "timing.json").write_text('{"wall_s": 2.0, "compute_s": 1.0, "device": "CPU"}')
    cell = SimpleNamespace(
        baseline="mine", method="m", split="paper", dataset="d", fold=1, seed=0,
        metrics=tmp_path / "metrics.json", lineage=[tmp_path / "timing.json"] * 2,
    )  # fmt: skip
    scores, times = gather_fits([cell])
    assert scores.loc[0, "notes"] == NOTES.join(["said so"]) and scores.loc[0, "epochs"] == 1
    assert (times.loc[0, "total_s"], times.loc[0, "device"]) == (4.0, "CPU")


def loop(val_losses, patience=0):
    """Train one weight whose value is the number of the epoch; val losses are given."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    calls = iter(val_losses)
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    history, best = fit_epochs(
        model, optimiser, name="loop", epochs=len(val_losses), patience=patience,
        batches=lambda epoch: [0],
        loss=lambda batch: -model.weight.sum(),
        val_probabilities=lambda: np.array([[p := np.exp(-next(calls)), 1 - p]]),
        val_labels=[0], seed=0,
    )  # fmt: skip
    return history, best, float(model.weight.detach())


def test_the_epoch_of_lowest_val_loss_is_restored():
    history, best, weight = loop([0.9, 0.3, 0.2, 0.8])
    assert (best, weight, len(history)) == (3, 3.0, 4)


def test_patience_stops_and_0_never_does():
    history, best, weight = loop([0.2, 0.3, 0.4, 0.1], patience=2)
    assert (len(history), best, weight) == (3, 1, 1.0)
    assert loop([0.2, 0.3, 0.4, 0.1])[1] == 4


def test_a_loss_that_is_not_finite_stops_in_one_line():
    model = torch.nn.Linear(1, 1)
    with pytest.raises(InputError, match="baseline x: .*nan at step 1"):
        fit_epochs(
            model, torch.optim.SGD(model.parameters()), name="x", epochs=1, patience=0,
            batches=lambda epoch: [0], loss=lambda batch: model.weight.sum() * torch.nan,
            val_probabilities=lambda: np.ones((1, 1)), val_labels=[0], seed=0,
        )  # fmt: skip


def test_batches_have_every_clip_once_and_never_one_alone():
    batches = shuffled_batches(9, 4, seed=1, epoch=1)
    assert sorted(np.concatenate(batches)) == list(range(9)) and [len(b) for b in batches] == [4, 5]
    assert not np.array_equal(batches[0], shuffled_batches(9, 4, seed=1, epoch=2)[0])


def test_short_clips_are_padded_and_windows_are_whole():
    signal = torch.arange(1.0, 11)
    assert fixed_length(signal, 12).tolist()[-3:] == [10, 0, 0]
    assert fixed_length(signal, 4).tolist() == [1, 2, 3, 4]
    assert windows(signal, 4, 3)[:, 0].tolist() == [1, 4, 7]
    assert windows(signal, 12, 3).shape == (1, 12)


def test_light_sernet_s_rate_falls_after_epoch_50():
    options = dict(METHODS["light_sernet"].options)
    rates = [learning_rate(options, epoch) / options["learning_rate"] for epoch in (1, 59, 60, 80)]
    np.testing.assert_allclose(rates, [1, 1, np.exp(-0.15), np.exp(-0.30)])


def test_inputs_that_are_too_short_for_the_network_are_refused(tmp_path):
    clips = write_clips(tmp_path, 4)
    for name, seconds in (("light_sernet", 0.3), ("glam", 0.05)):
        options = {**registered(name).options, "seconds": seconds}
        with pytest.raises(InputError, match=f"baseline {name}: .*{seconds} s are .*expected at"):
            load(name).fit(clips, clips, classes=CLASSES, settings=options, seed=0, device="cpu")


def test_egemaps_with_one_class_or_one_speaker_says_what_it_did(tmp_path):
    method = load("egemaps_svm")
    clips = write_clips(tmp_path, 8)
    given = {"classes": CLASSES, "settings": dict(registered("egemaps_svm").options), "seed": 0}
    low = method.fit(clips[::2], clips[::2], device="cpu", **given)
    assert method.predict(low.model, clips).tolist() == [[1, 0, 0]] * 8
    assert len(low.notes) == 1 and "one class only" in low.notes[0]
    alone = [clip for clip in clips if clip.speaker == "s0"]
    assert "one speaker" in method.fit(alone, alone, device="cpu", **given).notes[0]
