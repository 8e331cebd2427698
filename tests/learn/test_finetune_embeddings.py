"""What strategies are given of the model: embeddings and MC dropout."""

import numpy as np
import pytest
import torch
from finetune_clips import CLASSES, CPU, random_clips, write_start

from after_ser.core.errors import InputError
from after_ser.learn.finetune.batches import Clips
from after_ser.learn.finetune.embeddings import _channel_masks, embed, mc_probabilities
from after_ser.learn.finetune.predict import predict
from after_ser.model.classifier import start_classifier


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return write_start(tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def model(start):
    return start_classifier(start, CLASSES, "mean-relu-linear", 1)


def test_embeddings_are_what_the_linear_layer_turns_into_the_probabilities(model):
    clips = random_clips(13)
    found = embed(model, clips, CPU)
    np.testing.assert_allclose(found.probs, predict(model, clips, CPU), atol=1e-7)
    logits = model.head.output(torch.from_numpy(found.embeddings).float())
    again = torch.softmax(logits.double(), dim=1).detach().numpy()
    np.testing.assert_allclose(again, found.probs, atol=1e-6)


def test_a_pass_is_one_model_for_the_whole_pool_whatever_the_batch_and_order(model, monkeypatch):
    clips = random_clips(9, longest=60)
    together = mc_probabilities(model, clips, 3, ("s",), CPU)
    assert together.shape == (9, 3, 4)
    np.testing.assert_allclose(together.sum(axis=2), 1.0)
    assert together.std(axis=1).min() > 1e-6, "passes differ"
    order = np.random.default_rng(2).permutation(9)
    shuffled = Clips([clips.utts[i] for i in order], [clips.frames[i] for i in order])
    again = mc_probabilities(model, shuffled, 3, ("s",), CPU)
    np.testing.assert_allclose(again, together[order], atol=1e-5)
    monkeypatch.setattr("after_ser.learn.finetune.predict.FRAMES_PER_BATCH", 1)  # each clip alone
    np.testing.assert_allclose(mc_probabilities(model, clips, 3, ("s",), CPU), together, atol=1e-5)


def test_passes_are_named_by_their_seed_and_leave_the_model_as_it_was(model):
    clips = random_clips(5)
    before = predict(model, clips, CPU)
    first = mc_probabilities(model, clips, 2, ("a",), CPU)
    np.testing.assert_array_equal(first, mc_probabilities(model, clips, 2, ("a",), CPU))
    assert np.abs(first - mc_probabilities(model, clips, 2, ("b",), CPU)).max() > 1e-6
    np.testing.assert_array_equal(mc_probabilities(model, clips, 5, ("a",), CPU)[:, :2], first)
    np.testing.assert_array_equal(predict(model, clips, CPU), before)


def test_masks_are_per_channel_and_shared_over_clips_and_time(model):
    drops = {
        name: module
        for name, module in model.transformer.named_modules()
        if isinstance(module, torch.nn.Dropout) and module.p > 0
    }
    assert len(drops) > 1
    model.eval()
    with _channel_masks(drops, ("s",)):
        outputs = [module(torch.ones(2, 7, 16)) for module in drops.values()]
    for output in outputs:
        assert torch.equal(output, output[:1, :1].expand(2, 7, 16))
        assert all(value in (0.0, pytest.approx(1 / 0.9)) for value in output.unique().tolist())
    assert any(bool((output == 0).any()) for output in outputs)
    assert not all(torch.equal(outputs[0], output) for output in outputs[1:]), "layers differ"
    assert torch.equal(next(iter(drops.values()))(torch.ones(3)), torch.ones(3)), "hooks are gone"


def test_a_backbone_without_dropout_is_refused_in_one_line(start):
    plain = start_classifier(start, CLASSES, "mean-relu-linear", 1)
    for module in plain.transformer.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with pytest.raises(InputError, match="hidden_dropout and activation_dropout"):
        mc_probabilities(plain, random_clips(2), 2, ("s",), CPU)


def test_the_embedding_is_what_the_last_layer_sees_behind_a_projector(start):
    model = start_classifier(start, CLASSES, "sequence-classification", 1)
    clips = random_clips(6)
    found = embed(model, clips, CPU)
    assert found.embeddings.shape == (6, 256)
    weight, bias = (value.detach().double().numpy() for value in model.head.output.parameters())
    logits = found.embeddings @ weight.T + bias
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.probs, odds, atol=1e-6)
