"""One round: which labels can be read, warm and cold starts, and the files it leaves."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from finetune_clips import (
    CLASSES,
    CPU,
    SETTINGS,
    labels,
    random_clips,
    write_latents,
    write_start,
)

from after_ser.core.metrics import score
from after_ser.learn.finetune import round as round_module
from after_ser.learn.finetune.round import Split, read_split, run_round, write_round
from after_ser.model.latents import Latents
from after_ser.run.atomic import read_tsv

PARTS = {"train": slice(0, 16), "val": slice(16, 22), "test": slice(22, 30)}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("round")
    clips = random_clips(30)
    fold = pd.DataFrame({"utt": clips.utts, "split": ["train"] * 16 + ["val"] * 6 + ["test"] * 8})
    manifest = pd.DataFrame({"utt": clips.utts, "label": labels(30)})
    return {
        "utts": clips.utts,
        "fold": fold,
        "manifest": manifest,
        "latents": Latents(write_latents(root / "latents", clips)),
        "start": write_start(root / "start"),
    }


def labelled_table(world, picks):
    truth = labels(30)
    return pd.DataFrame(
        {"utt": [world["utts"][i] for i in picks], "label": [truth[i] for i in picks]}
    )


def run(world, picks=(0, 1, 2, 3, 5), previous=None, split=None, **changes):
    return run_round(
        split=split or read_split(world["fold"], world["manifest"]),
        labelled=labelled_table(world, picks),
        latents=world["latents"],
        start=world["start"],
        previous=previous,
        classes=CLASSES,
        settings={**SETTINGS, **changes},
        head_seed=11,
        seed_parts=("fit", "toy", 1),
        device=CPU,
    )


def test_only_the_labels_of_val_and_test_can_be_read(world):
    split = read_split(world["fold"].sample(frac=1, random_state=0), world["manifest"])
    assert split.train == world["utts"][PARTS["train"]]
    assert set(split.held_out_labels) == set(split.val) | set(split.test)
    assert not set(split.held_out_labels) & set(split.train)
    assert set(Split.__dataclass_fields__) == {"train", "val", "test", "held_out_labels"}


def test_labels_of_unlabelled_train_clips_change_nothing(world):
    honest = run(world)[2]["pool"]
    poisoned = world["manifest"].copy()
    poisoned.loc[:15, "label"] = "happy"
    split = read_split(world["fold"], poisoned)
    pd.testing.assert_frame_equal(run(world, split=split)[2]["pool"], honest)


def test_pool_is_train_without_what_is_labelled(world):
    frames = run(world)[2]
    expected = [utt for i, utt in enumerate(world["utts"][:16]) if i not in (0, 1, 2, 3, 5)]
    assert list(frames["pool"]["utt"]) == expected
    assert list(frames["val"]["utt"]) == world["utts"][PARTS["val"]]
    assert list(frames["test"]["utt"]) == world["utts"][PARTS["test"]]
    assert list(frames["pool"].columns) == ["utt", *(f"p_{name}" for name in CLASSES)]


@pytest.mark.parametrize("intruder", [17, 25])
def test_a_labelled_clip_of_val_or_test_is_refused(world, intruder):
    with pytest.raises(ValueError, match=f"{world['utts'][intruder]} is not in the train split"):
        run(world, picks=(0, 1, intruder))


def test_early_stopping_and_training_see_no_test_clip(world, monkeypatch):
    given = {}
    original = round_module.fit

    def watching(model, train, train_labels, val, *rest, **named):
        given.update(train=list(train.utts), labels=train_labels, val=list(val.utts))
        return original(model, train, train_labels, val, *rest, **named)

    monkeypatch.setattr(round_module, "fit", watching)
    run(world)
    assert given["train"] == [world["utts"][i] for i in (0, 1, 2, 3, 5)]
    assert given["labels"] == ["anger", "neutral", "sad", "happy", "neutral"]
    assert given["val"] == world["utts"][PARTS["val"]]


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    split = read_split(world["fold"], world["manifest"])
    table = labelled_table(world, (0, 1, 2, 3, 5))
    model, fitted, frames = run(world)
    write_round(
        folder, model=model, fitted=fitted, frames=frames, split=split, labelled=table,
        budget=0.3, round_index=0,
    )  # fmt: skip
    return folder, model, fitted, frames


def test_a_warm_start_goes_on_from_the_previous_weights_and_a_cold_one_does_not(world, finished):
    folder, model, _, frames = finished
    previous = (folder / "model/model.safetensors", folder / "model/config.json")
    # a rate of zero trains nothing, so that what comes out is what went in
    warm, _, warm_frames = run(world, previous=previous, learning_rate=0.0, max_epochs=1)
    for name, value in model.state_dict().items():
        assert torch.equal(warm.state_dict()[name], value), name
    pd.testing.assert_frame_equal(warm_frames["test"], frames["test"])
    cold = run(world, learning_rate=0.0, max_epochs=1)[2]
    difference = cold["test"].iloc[:, 1:].to_numpy() - frames["test"].iloc[:, 1:].to_numpy()
    assert np.abs(difference).max() > 1e-3


def test_the_files_of_a_round_fit_together(world, finished):
    folder, _, fitted, frames = finished
    found = read_tsv(folder / "predictions.tsv", tuple(f"p_{name}" for name in CLASSES))
    assert list(found.columns) == ["utt", "split", "label", *(f"p_{name}" for name in CLASSES)]
    assert list(found["split"]) == ["val"] * 6 + ["test"] * 8
    assert list(found["label"]) == labels(30)[16:]
    assert list(read_tsv(folder / "pool.tsv").columns) == list(frames["pool"].columns)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert {key: metrics[key] for key in ("labelled", "n_train", "val_labels", "round")} == {
        "labelled": 5, "n_train": 16, "val_labels": 6, "round": 0,
    }  # fmt: skip
    assert metrics["best_epoch"] == fitted.best_epoch and metrics["epochs"] == len(fitted.history)
    for name in ("val", "test"):
        own = found[found["split"] == name]
        expected = score(list(own["label"]), own.iloc[:, 3:].to_numpy(float), CLASSES)
        assert metrics[name] == expected
    assert list(read_tsv(folder / "history.tsv").columns) == [
        "epoch", "train_loss", "val_loss", "val_ua",
    ]  # fmt: skip


def test_everything_labelled_leaves_an_empty_pool(world):
    frames = run(world, picks=tuple(range(16)), max_epochs=1)[2]
    assert len(frames["pool"]) == 0 and list(frames["pool"].columns)[0] == "utt"


def test_a_head_crop_shortens_train_val_and_pool_and_never_test(world, monkeypatch):
    lengths = {}
    originals = {name: getattr(round_module, name) for name in ("fit", "predict")}

    def watching_fit(model, train, train_labels, val, *rest, **named):
        lengths.update(train=train.lengths().max(), val=val.lengths().max())
        return originals["fit"](model, train, train_labels, val, *rest, **named)

    def watching_predict(model, clips, device, pause=None):
        lengths[clips.utts[0]] = clips.lengths().max()
        return originals["predict"](model, clips, device, pause)

    monkeypatch.setattr(round_module, "fit", watching_fit)
    monkeypatch.setattr(round_module, "predict", watching_predict)
    run(world, crop="head", crop_s=0.4, max_epochs=1)
    first = {name: world["utts"][part][0] for name, part in PARTS.items()}
    assert (lengths["train"], lengths["val"], lengths[first["val"]]) == (10, 10, 10)
    assert lengths[world["utts"][4]] == 10, "the pool, whose first clip this is"
    assert lengths[first["test"]] > 10
    run(world, crop_s=0.4, max_epochs=1)
    assert lengths["val"] > 10 and lengths[world["utts"][4]] > 10


def test_spec_augment_reaches_the_model_and_a_warm_start_keeps_it(world, tmp_path):
    model, fitted, frames = run(world, spec_augment=True, max_epochs=1)
    assert model.augment
    plain = run(world, max_epochs=1)[2]
    assert not frames["test"].equals(plain["test"])
    split = read_split(world["fold"], world["manifest"])
    write_round(
        tmp_path, model=model, fitted=fitted, frames=frames, split=split,
        labelled=labelled_table(world, (0, 1)), budget=0.3, round_index=0,
    )  # fmt: skip
    previous = (tmp_path / "model/model.safetensors", tmp_path / "model/config.json")
    assert run(world, previous=previous, spec_augment=True, max_epochs=1)[0].augment
