"""The classifier's predictions: independent of batch and order, and the same after reloading."""

import json

import numpy as np
import pytest
import torch
from finetune_clips import CLASSES, CPU, random_clips, write_start

from after_ser.learn.finetune import predict as predict_module
from after_ser.learn.finetune.batches import Clips
from after_ser.learn.finetune.predict import predict
from after_ser.model.classifier import load_classifier, save_classifier, start_classifier
from after_ser.model.registry import HEADS


@pytest.fixture(scope="module", params=["layer norm", "group norm"])
def start(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    return write_start(folder, group_norm=request.param == "group norm")


@pytest.mark.parametrize("head", HEADS)
def test_predictions_depend_neither_on_the_batch_nor_on_the_order(start, head, monkeypatch):
    model = start_classifier(start, CLASSES, head, 1)
    clips = random_clips(17, longest=60)
    together = predict(model, clips, CPU)
    assert together.shape == (17, 4)
    np.testing.assert_allclose(together.sum(axis=1), 1.0, atol=1e-12)
    assert together.std(axis=0).min() > 1e-4, "the model tells clips apart"
    order = np.random.default_rng(2).permutation(17)
    shuffled = Clips([clips.utts[i] for i in order], [clips.frames[i] for i in order])
    np.testing.assert_allclose(predict(model, shuffled, CPU), together[order], atol=1e-5)
    monkeypatch.setattr(predict_module, "FRAMES_PER_BATCH", 1)  # each clip alone
    np.testing.assert_allclose(predict(model, clips, CPU), together, atol=1e-5)


def test_scoring_is_not_cropped_and_drops_nothing_out(start):
    model = start_classifier(start, CLASSES, "mean-relu-linear", 1)
    model.train()
    long = random_clips(1, shortest=900, longest=900)
    first = predict(model, long, CPU)
    np.testing.assert_array_equal(first, predict(model, long, CPU))
    changed = long.frames[0].copy()
    changed[-40:] *= -1
    assert np.abs(predict(model, Clips(long.utts, [changed]), CPU) - first).max() > 1e-5


def test_no_clip_gives_no_prediction(start):
    model = start_classifier(start, CLASSES, "mean-relu-linear", 1)
    assert predict(model, Clips([], []), CPU).shape == (0, 4)


@pytest.mark.parametrize("head", HEADS)
def test_saving_and_loading_gives_identical_predictions(start, head, tmp_path):
    model = start_classifier(start, CLASSES, head, 1)
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    save_classifier(model, weights, config)
    again = load_classifier(weights, config)
    assert again.classes == CLASSES and again.head_name == head
    clips = random_clips(9)
    np.testing.assert_array_equal(predict(again, clips, CPU), predict(model, clips, CPU))
    described = json.loads(config.read_text(encoding="utf-8"))
    assert described["classes"] == CLASSES and described["wav2vec2"]["hidden_size"] == 16


def test_a_saved_model_with_a_missing_weight_is_refused(start, tmp_path):
    from safetensors.torch import load_file, save_file

    model = start_classifier(start, CLASSES, "mean-relu-linear", 1)
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    save_classifier(model, weights, config)
    tensors = load_file(weights)
    del tensors["output.bias"]
    save_file(tensors, weights)
    with pytest.raises(RuntimeError, match=r"output\.bias"):
        load_classifier(weights, config)


def test_the_head_is_drawn_by_its_own_seed(start):
    state = torch.get_rng_state()
    first = start_classifier(start, CLASSES, "mean-relu-linear", 1).head.output.weight
    torch.set_rng_state(state)
    torch.rand(7)
    assert torch.equal(
        first, start_classifier(start, CLASSES, "mean-relu-linear", 1).head.output.weight
    )
    assert not torch.equal(
        first, start_classifier(start, CLASSES, "mean-relu-linear", 2).head.output.weight
    )


def test_the_two_heads_differ_in_where_the_relu_is(start):
    clips = random_clips(6)
    one, two = (start_classifier(start, CLASSES, head, 1) for head in list(HEADS)[:2])
    assert np.abs(predict(one, clips, CPU) - predict(two, clips, CPU)).max() > 1e-4
