"""SpecAugment: what is masked, where it acts, and that nothing else is drawn otherwise."""

import json

import numpy as np
import pytest
import torch
from finetune_clips import CLASSES, random_clips, write_start

from after_ser.core.errors import InputError
from after_ser.learn.finetune.batches import collate
from after_ser.model.classifier import load_classifier, save_classifier, start_classifier
from after_ser.model.spec_augment import span_masks, spec_augment

CPU = torch.device("cpu")


def runs(row):
    """Lengths of the runs of True in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return list(edges[1::2] - edges[::2])


def test_base_s_masks_are_two_spans_of_15_frames_and_one_of_64_features():
    time, features = span_masks(20, 150, 768, 50.0, seed=1)
    assert time.shape == (20, 150) and features.shape == (20, 768)
    for row in time:  # .08 * 150 / 15 < 1, so the least number of spans; they may overlap
        assert 15 <= row.sum() <= 30 and min(runs(row)) >= 15
    assert all(runs(row) == [64] for row in features)
    assert len({tuple(row) for row in time}) > 15, "every clip has masks of its own"


def test_smaller_backbones_lose_the_same_share_and_short_batches_no_frames():
    time, features = span_masks(8, 60, 96, 25.0, seed=1)
    assert all(runs(row) == [8] for row in features)
    assert all(min(runs(row)) >= 8 for row in time)
    assert not span_masks(3, 14, 768, 50.0, seed=1)[0].any()


def test_masks_follow_the_seed_and_leave_numpy_s_source_alone():
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    one, again, other = (span_masks(4, 90, 768, 50.0, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.array_equal(np.random.get_state()[1], before)


def test_masked_frames_are_the_embedding_and_masked_features_are_zero():
    torch.manual_seed(3)
    hidden = torch.ones(2, 40, 24)
    found = spec_augment(hidden, torch.full((24,), 7.0), 25.0)
    assert set(found.unique().tolist()) == {0.0, 1.0, 7.0}
    assert (hidden == 1).all(), "the projection's output is not written over"
    for clip in found:
        assert (clip == 0).all(dim=0).sum() == 2  # 24 * 64 / 768 features, in every frame
        masked = (clip == 7).any(dim=1)
        assert (clip[masked] != 1).all() and 8 <= masked.sum() < 40


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return write_start(tmp_path_factory.mktemp("start"))


def test_only_training_is_masked(start):
    latents, lengths = collate(random_clips(3, shortest=20).frames, CPU)
    plain = start_classifier(start, CLASSES, "mean-relu-linear", 1)
    augmented = start_classifier(start, CLASSES, "mean-relu-linear", 1, augment=True)
    with torch.no_grad():
        assert torch.equal(plain.eval()(latents, lengths), augmented.eval()(latents, lengths))
        plain.train(), augmented.train()
        for model in (plain, augmented):  # without dropout, masks are all that differs
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
        assert not torch.allclose(plain(latents, lengths), augmented(latents, lengths))


def test_the_mask_embedding_is_the_checkpoint_s_is_saved_and_is_not_trained(start, tmp_path):
    model = start_classifier(start, CLASSES, "mean-relu-linear", 1, augment=True)
    assert "mask_embedding" not in dict(model.named_parameters())
    save_classifier(model, tmp_path / "w.safetensors", tmp_path / "c.json")
    again = load_classifier(tmp_path / "w.safetensors", tmp_path / "c.json")
    assert again.augment and torch.equal(again.mask_embedding, model.mask_embedding)
    plain = start_classifier(start, CLASSES, "mean-relu-linear", 1)
    assert "mask_embedding" not in plain.state_dict()
    save_classifier(plain, tmp_path / "w.safetensors", tmp_path / "c.json")
    described = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert set(described) == {"classes", "head", "wav2vec2"}


def test_a_checkpoint_without_a_mask_embedding_is_refused(start, tmp_path):
    from safetensors.torch import load_file, save_file

    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((start / name).read_bytes())
    weights = load_file(start / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "masked_spec_embed" not in name}
    assert len(kept) == len(weights) - 1
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    start_classifier(tmp_path, CLASSES, "mean-relu-linear", 1)
    with pytest.raises(InputError, match="no mask embedding"):
        start_classifier(tmp_path, CLASSES, "mean-relu-linear", 1, augment=True)
