"""Surprisal embeddings: against the objective they come from, binning, and independence."""

import numpy as np
import pytest
import torch
from finetune_clips import CPU, random_clips, write_latents
from selfsupervised_clips import ARCH, around

from after_ser.learn.tapt.masking import span_mask
from after_ser.learn.tapt.surprisal import binned, clip_surprisal, extract_surprisal
from after_ser.model.families.conv_encoder import save_model
from after_ser.model.scratch import build_scratch
from after_ser.run.timing import Stopwatch


@pytest.fixture(scope="module")
def model():
    return build_scratch(ARCH, 3).eval()


def reference(model, frames, mask):
    """Eq. 1's summands, frame by frame, through the model's own pre-training forward parts."""
    losses = np.zeros(len(frames))
    with torch.no_grad():
        hidden, normed = model.wav2vec2.feature_projection(torch.from_numpy(frames)[None])
        hidden = hidden.clone()
        hidden[0, torch.from_numpy(mask)] = model.wav2vec2.masked_spec_embed
        context = model.project_hid(model.wav2vec2.encoder(hidden).last_hidden_state)[0]
        target = model.project_q(model.quantizer(normed)[0])[0]
    for t in np.flatnonzero(mask):
        similarity = torch.cosine_similarity(context[t][None], target) / 0.1
        losses[t] = float(torch.logsumexp(similarity, 0) - similarity[t])
    return losses


def test_surprisal_is_eq_1_at_masked_frames_averaged_over_maskings(model):
    frames = random_clips(1, shortest=30, longest=30).frames[0].astype(np.float32)
    losses, counted = clip_surprisal(around(model), frames, 4, 0.3, 3, ("s", "c"), CPU)
    masks = span_mask(np.full(4, 30), 30, 0.3, 3, "s", "c", 0)
    expected = sum(reference(model, frames, mask) for mask in masks)
    np.testing.assert_array_equal(counted, masks.sum(axis=0))
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-4)
    assert losses[counted > 0].min() > 0


def test_parts_of_time_average_the_masked_frames_they_hold():
    losses, counted = np.array([2.0, 4, 0, 6, 0, 0]), np.array([1, 1, 0, 2, 0, 0])
    np.testing.assert_array_equal(binned(losses, counted, 3), [3.0, 3.0, 0.0])
    np.testing.assert_array_equal(binned(losses, counted, 6), [2, 4, 0, 3, 0, 0])
    assert binned(losses[:2], counted[:2], 4).tolist() == [2.0, 0.0, 4.0, 0.0]


def test_a_clip_gets_the_same_row_wherever_it_stands(model, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    save_model(model, checkpoint, do_normalize=True)
    clips = random_clips(6)
    rows = []
    for name, order in (("one", range(6)), ("two", [3, 0])):
        chosen = type(clips)([clips.utts[i] for i in order], [clips.frames[i] for i in order])
        folder = write_latents(tmp_path / name, chosen)
        extract_surprisal(
            checkpoint,
            folder,
            folder / "surprisal.npy",
            bins=5,
            maskings=2,
            mask_share=0.3,
            mask_span=3,
            device=CPU,
            watch=Stopwatch(),
        )
        rows.append(np.load(folder / "surprisal.npy"))
    assert rows[0].shape == (6, 5) and rows[0].dtype == np.float32
    np.testing.assert_array_equal(rows[1], rows[0][[3, 0]])
    assert np.isfinite(rows[0]).all() and (rows[0] > 0).any(axis=1).all()


def test_long_clips_go_in_pieces(model, monkeypatch):
    monkeypatch.setattr("after_ser.learn.tapt.surprisal._FRAMES", 16)
    frames = random_clips(1, shortest=40, longest=40).frames[0].astype(np.float32)
    losses, counted = clip_surprisal(around(model), frames, 3, 0.3, 3, ("s",), CPU)
    for start in (0, 16, 32):
        part = slice(start, start + 16)
        masks = span_mask(np.full(3, len(frames[part])), len(frames[part]), 0.3, 3, "s", start)
        expected = sum(reference(model, frames[part], mask) for mask in masks)
        np.testing.assert_allclose(losses[part], expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(counted[part], masks.sum(axis=0))
