"""P-TAPT, stage 1: the encoder's sizes, fairseq's names, training, and what it may read."""

import argparse
import json
import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from stopped_training import stop_at, terminate
from workflow_runs import script

from after_ser.core.errors import InputError
from after_ser.core.seeding import rng
from after_ser.learn.tapt.config import FirstStage
from after_ser.run.atomic import read_tsv
from after_ser.studies.ptapt import train
from after_ser.studies.ptapt.fairseq import load_wav2vec
from after_ser.studies.ptapt.states import EmotionStates, load_states
from after_ser.studies.ptapt.train import learning_rate, train_labels, train_states
from after_ser.studies.ptapt.wav2vec import LARGE, Aggregator, Features, Shape, Wav2Vec
from tests.studies.ptapt.ptapt_clips import (
    CLASSES,
    GIVEN,
    SEED,
    states_settings,
    write_dataset,
    write_emotions,
)

CPU = torch.device("cpu")
SAME = ("states.safetensors", "states.json", "history.tsv")
STOPS = (5, 6)  # of 9 steps


def weights(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def emotions(tmp_path_factory):
    return write_emotions(tmp_path_factory.mktemp("emotions"))


@pytest.fixture(scope="module")
def misled(emotions):
    """The same clips, those that become val mislabelled: what is learnt is no good for them."""
    clips, labels = emotions
    held_out = [clips[i].utt for i in rng(*SEED, "val").permutation(len(clips))[:2]]
    return clips, labels | {utt: CLASSES[labels[utt] == CLASSES[0]] for utt in held_out}


@pytest.fixture(scope="module")
def trained(misled, tmp_path_factory):
    """A run whose best step is before those at which the tests stop it."""
    folder = tmp_path_factory.mktemp("trained")
    run(misled, folder)
    assert json.loads((folder / "out/states.json").read_text())["best_step"] < min(STOPS)
    return folder / "out"


def run(emotions, folder, **changes):
    given = states_settings(**{"learning_rate": 5e-3, **changes})
    train_states(*emotions, CLASSES, given, SEED, folder / "out", folder / "state", "cpu")


def test_the_large_encoder_has_the_published_number_of_weights():
    with torch.device("meta"):
        features, aggregator = Features(LARGE), Aggregator(LARGE)
        reduce = EmotionStates(Wav2Vec(LARGE), CLASSES, freeze_features=True).reduce
    convolutions = 512 * 10 + 512 * 512 * (8 + 4 + 4 + 4 + 1 + 1)
    assert convolutions == 5_772_288  # "5.77 M"
    assert weights(features) == convolutions + 7 * 2 * 512
    assert weights(aggregator) == 512 * 512 * sum(range(2, 14)) + 12 * 3 * 512 == 23_611_392
    assert weights(reduce) == 1_049_088
    assert abs(weights(aggregator) / 1e6 - 23.6) < 0.05 and abs(weights(reduce) / 1e6 - 1.05) < 5e-3


def test_frames_are_20_ms_and_their_number_is_that_of_the_geometry():
    model = EmotionStates(Wav2Vec(Shape(4, (2, 3))), CLASSES, freeze_features=False).eval()
    geometry = model.geometry
    assert (geometry.stride, geometry.receptive_field) == (320, 945)
    for samples in (945, 1264, 1265, 8000):
        assert model.embed(torch.randn(1, samples)).shape == (1, geometry.frames(samples), 4)


def test_the_aggregator_looks_back_only():
    torch.manual_seed(0)
    aggregator = Aggregator(Shape(4, (2, 5))).eval()
    for norm in aggregator.norms:  # they are over time; without them the convolutions are left
        norm.forward = lambda hidden: hidden
    latents = torch.randn(1, 4, 12)
    changed = latents.clone()
    changed[..., 7:] += 1
    same = (aggregator(latents) == aggregator(changed))[0].all(dim=0)
    assert same.tolist() == [True] * 7 + [False] * 5


SMALL = Shape(6, (2, 3))


def fairseq_state(shape=SMALL, seed=0):
    """A state dict with fairseq's names, layer by layer, as its modules are nested."""
    generator = torch.Generator().manual_seed(seed)
    state = {}

    def add(name, *size):
        state[name] = torch.randn(*size, generator=generator)

    width = 1
    for index, kernel in enumerate((10, 8, 4, 4, 4, 1, 1)):
        layer = f"feature_extractor.conv_layers.{index}"
        add(f"{layer}.0.weight", shape.channels, width, kernel)
        add(f"{layer}.2.weight", shape.channels)
        add(f"{layer}.2.bias", shape.channels)
        width = shape.channels
    for index, kernel in enumerate(shape.aggregator):
        layer = f"feature_aggregator.conv_layers.{index}"
        add(f"{layer}.1.weight", width, width, kernel)
        for name in ("1.bias", "3.weight", "3.bias"):
            add(f"{layer}.{name}", width)
    add("wav2vec_predictions.project_to_steps.weight", width, width, 1, 12)
    return state


def write_fairseq(path, state, old=False, **options):
    given = argparse.Namespace(arch="wav2vec", log_compression=True, residual_scale=0.5, **options)
    saved = {"args": given, "model": state, "extra_state": {"epoch": 3}, "optimizer_history": []}
    torch.save(saved, path, _use_new_zipfile_serialization=not old)
    return path


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before torch 1.6"])
def test_a_fairseq_checkpoint_is_read_name_by_name(tmp_path, old):
    state = fairseq_state()
    model = load_wav2vec(write_fairseq(tmp_path / "w.pt", state, old))
    assert model.shape == Shape(6, (2, 3))
    own = model.state_dict()
    assert torch.equal(
        own["features.convs.3.weight"], state["feature_extractor.conv_layers.3.0.weight"]
    )
    assert torch.equal(
        own["aggregator.norms.1.bias"], state["feature_aggregator.conv_layers.1.3.bias"]
    )
    assert len(own) == len(state) - 1  # all but what predicts the future


def test_the_forward_pass_is_wav2vecs(tmp_path):
    """By the formulas of the article and the names of fairseq's layers, in plain operations."""
    state = fairseq_state()
    model = load_wav2vec(write_fairseq(tmp_path / "w.pt", state)).eval()
    hidden = waveforms = torch.randn(1, 1, 2000, generator=torch.Generator().manual_seed(3))

    def norm(x, weight, bias):
        scaled = (x - x.mean()) / (x.var(unbiased=False) + 1e-5).sqrt()
        return scaled * weight[:, None] + bias[:, None]

    for index, stride in enumerate((5, 4, 2, 2, 2, 1, 1)):
        layer = f"feature_extractor.conv_layers.{index}"
        hidden = torch.conv1d(hidden, state[f"{layer}.0.weight"], stride=stride)
        hidden = norm(hidden, state[f"{layer}.2.weight"], state[f"{layer}.2.bias"]).clamp(min=0)
    hidden = (hidden.abs() + 1).log()
    assert torch.allclose(model.features(waveforms[:, 0]), hidden, atol=1e-5)
    for index in range(2):
        layer = f"feature_aggregator.conv_layers.{index}"
        kernel = state[f"{layer}.1.weight"]
        first = hidden[..., :1].expand(-1, -1, kernel.shape[-1] - 1)
        out = torch.conv1d(torch.cat([first, hidden], -1), kernel, state[f"{layer}.1.bias"])
        out = norm(out, state[f"{layer}.3.weight"], state[f"{layer}.3.bias"]).clamp(min=0)
        hidden = (out + hidden) * 0.5**0.5
    found = model.aggregator(model.features(waveforms[:, 0]))
    assert torch.allclose(found, hidden, atol=1e-4)


class Harmful:
    def __reduce__(self):
        return os.system, ("touch harmed",)


def test_an_unusable_checkpoint_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = fairseq_state()
    lacking = {k: v for k, v in state.items() if k != "feature_aggregator.conv_layers.1.3.bias"}
    torch.save({"model": state, "args": Harmful()}, "harmful.pt")
    torch.save(state, "bare.pt")
    cases = {
        "nowhere.pt": "there is no",
        "harmful.pt": "as plain weights",
        "bare.pt": "no weights under 'model'",
        write_fairseq("lacking.pt", lacking): "missing, unknown or of another shape",
        write_fairseq("zero.pt", state, agg_zero_pad=True): "agg_zero_pad True; expected False",
    }
    for path, message in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            load_wav2vec(path)
        assert "\n" not in str(caught.value)
    assert not Path("harmed").exists()


def test_the_loss_falls_the_best_step_is_named_and_the_model_can_be_read(emotions, tmp_path):
    run(emotions, tmp_path, steps=40, learning_rate=2e-3)
    history = read_tsv(tmp_path / "out/history.tsv", ("step", "train_loss", "val_loss"))
    assert history["train_loss"].iloc[-3:].mean() < 0.8 * history["train_loss"].iloc[:3].mean()
    described = json.loads((tmp_path / "out/states.json").read_text())
    best = history.loc[history["val_loss"].idxmin()]
    assert described["best_step"] == best["step"]
    assert (described["train_clips"], described["val_clips"]) == (8, 2)
    model = load_states(tmp_path / "out")
    assert not model.training and model.classes == CLASSES


def test_the_kept_weights_are_those_of_the_best_step_and_not_the_last(misled, trained):
    described = json.loads((trained / "states.json").read_text())
    history = read_tsv(trained / "history.tsv", ("val_loss",))
    assert 1.005 * described["best_val_loss"] < history["val_loss"].iloc[-1]
    given = states_settings(learning_rate=5e-3)
    made = train._StatesTraining(*misled, CLASSES, given, SEED, CPU)
    made.model = load_states(trained)
    assert made._score_val()[0] == pytest.approx(described["best_val_loss"], rel=1e-5)


def test_a_loaded_cnn_is_frozen_and_the_rest_is_trained(emotions, tmp_path):
    path = write_fairseq(tmp_path / "w.pt", fairseq_state())
    given = {key: value for key, value in GIVEN.items() if key != "scratch"}
    before = load_wav2vec(path).state_dict()
    settings = FirstStage(**given, checkpoint=str(path))
    train_states(*emotions, CLASSES, settings, SEED, tmp_path / "out", tmp_path / "state", "cpu")
    after = load_states(tmp_path / "out").encoder.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"aggregator"}
    origin = json.loads((tmp_path / "out/states.json").read_text())["origin"]
    assert origin["kind"] == "fairseq" and len(origin["sha256"]) == 64


def test_spans_are_masked_in_training_only():
    torch.manual_seed(0)
    model = EmotionStates(Wav2Vec(Shape(16, (2,))), CLASSES, freeze_features=False)
    waveforms = torch.randn(2, 8000)
    model.eval()
    assert torch.equal(model.embed(waveforms), model.embed(waveforms))
    seen = []
    model.encoder.aggregator.forward = lambda latents: seen.append(latents) or latents
    model.train()
    model.embed(waveforms)
    zero = (seen[0] == 0).numpy()
    frames, features = zero.all(axis=1), zero.all(axis=2)
    assert (frames.sum(axis=1) >= 15).all() and (features.sum(axis=1) >= 1).all()


def test_class_weights_are_inverse_to_the_counts(emotions):
    clips, _ = emotions
    labels = {clip.utt: CLASSES[index >= 8] for index, clip in enumerate(clips)}
    made = train._StatesTraining(clips, labels, CLASSES, states_settings(), SEED, CPU)
    assert Counter(labels.values()) == {"anger": 8, "sad": 2}
    assert float(made.weights[1] / made.weights[0]) == pytest.approx(4)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(misled, trained, tmp_path):
    run(misled, tmp_path)
    for name in SAME:
        assert (tmp_path / "out" / name).read_bytes() == (trained / name).read_bytes()
    other = ("ptapt", "toy", 1, 1)
    given = states_settings(learning_rate=5e-3)
    train_states(*misled, CLASSES, given, other, tmp_path / "b", tmp_path / "state", "cpu")
    assert (tmp_path / "b" / SAME[0]).read_bytes() != (trained / SAME[0]).read_bytes()


@pytest.mark.parametrize("step", STOPS)
def test_a_terminated_stage_goes_on_as_if_it_had_not_been(
    misled, trained, tmp_path, monkeypatch, step, capsys
):
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as exit_:
        stop_at(patch, step, terminate)
        run(misled, tmp_path)
    assert exit_.value.code == 143 and not (tmp_path / "out").exists()
    run(misled, tmp_path)
    assert f"resuming after step {step}" in capsys.readouterr().err
    for name in SAME:
        assert (tmp_path / "out" / name).read_bytes() == (trained / name).read_bytes(), name
    assert not (tmp_path / "state").exists()


def test_only_clips_and_labels_of_train_are_read(tmp_path, monkeypatch):
    clips, labels = write_emotions(tmp_path / "audio")
    splits = ["train"] * 6 + ["val", "test", "train", "test"]
    held_out = [c for c, split in zip(clips, splits, strict=True) if split != "train"]
    module = script("ptapt_states")

    def stage(out):
        module.main(
            SimpleNamespace(
                input=SimpleNamespace(
                    manifest=tmp_path / "manifest.tsv", fold=tmp_path / "fold1.tsv"
                ),
                output=SimpleNamespace(weights=str(tmp_path / out / "states.safetensors")),
                params=SimpleNamespace(
                    settings={**GIVEN, "steps": 2}, classes=CLASSES, dataset="toy", fold=1, seed=0,
                    state=str(tmp_path / "state"), device="cpu", threads=1,
                ),
            )
        )  # fmt: skip
        return (tmp_path / out / "states.safetensors").read_bytes()

    write_dataset(tmp_path, clips, labels, splits)
    honest = stage("honest")
    # the poison: no audio and no class for what is held out, so that reading it would fail
    for clip in held_out:
        Path(clip.path).unlink()
    write_dataset(tmp_path, clips, labels | {c.utt: "unheard" for c in held_out}, splits)
    assert stage("poisoned") == honest
    swapped = dict(zip(CLASSES, CLASSES[::-1], strict=True))
    write_dataset(tmp_path, clips, {utt: swapped[label] for utt, label in labels.items()}, splits)
    assert stage("swapped") != honest, "the labels of train are read"
    known = train_labels(tmp_path / "manifest.tsv", tmp_path / "fold1.tsv")
    assert not known.keys() & {clip.utt for clip in held_out} and len(known) == 7


def test_one_clip_is_too_few(emotions, tmp_path):
    clips, labels = emotions
    with pytest.raises(InputError, match="1 train clip"):
        train_states(
            clips[:1], labels, CLASSES, states_settings(), SEED, tmp_path, tmp_path / "s", "cpu"
        )
    assert np.isfinite(learning_rate(states_settings(), 0))
