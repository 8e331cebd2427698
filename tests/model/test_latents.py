"""Latents: what the CNN gives a clip alone, whatever the others are; files whole or absent."""

import json

import numpy as np
import pytest
import torch
from selfsupervised_clips import ARCH, GROUP_NORM, load_encoder, write_clips, write_manifest

from after_ser.core.errors import InputError
from after_ser.model.families.conv_encoder import normalise, save_model
from after_ser.model.latents import Latents, extract_latents
from after_ser.model.scratch import build_scratch
from after_ser.model.waveform import read_samples, to_float

LENGTHS = [0.5, 1.2, 0.7, 0.02]


@pytest.fixture(params=["layer", "group"])
def extracted(tmp_path, request):
    model = build_scratch(ARCH if request.param == "layer" else GROUP_NORM, 0)
    save_model(model, tmp_path / "backbone", do_normalize=True)
    clips = write_clips(tmp_path / "audio", LENGTHS)
    write_manifest(tmp_path / "manifest.tsv", clips)
    extract_latents(tmp_path / "backbone", tmp_path / "manifest.tsv", None, tmp_path / "out", "cpu")
    return clips, tmp_path


def test_latents_are_the_cnns_output_of_the_clip_alone(extracted):
    clips, folder = extracted
    encoder = load_encoder(folder / "backbone")
    with Latents(folder / "out") as latents, torch.no_grad():
        for clip in clips[:3]:
            samples = normalise(to_float(read_samples(clip.path)))
            expected = encoder.feature_extractor(torch.from_numpy(samples)[None])[0].T.numpy()
            got = latents.frames(clip.utt)
            assert got.dtype == np.float16
            assert latents.length(clip.utt) == len(got)
            # with layer norm sums are made in another order: at most one float16 further
            apart = 0 if encoder.config.feat_extract_norm == "group" else 1e-3
            np.testing.assert_allclose(got, expected.astype(np.float16), rtol=apart, atol=apart**2)
            assert (got == expected.astype(np.float16)).mean() > 0.98
            np.testing.assert_allclose(
                latents.means([clip.utt])[0], expected.mean(axis=0), rtol=1e-4, atol=1e-6
            )


def test_latents_of_a_clip_do_not_depend_on_the_others(extracted):
    clips, folder = extracted
    chosen = [clips[2].utt, clips[0].utt]
    extract_latents(folder / "backbone", folder / "manifest.tsv", chosen, folder / "few", "cpu")
    with Latents(folder / "out") as everything, Latents(folder / "few") as few:
        assert few.utts == [clips[0].utt, clips[2].utt]  # the manifest's order
        for utt in chosen:
            np.testing.assert_array_equal(everything.frames(utt), few.frames(utt))
        np.testing.assert_array_equal(everything.means(chosen), few.means(chosen))


def test_clips_shorter_than_the_receptive_field_get_one_frame(extracted):
    clips, folder = extracted
    with Latents(folder / "out") as latents:
        assert latents.frames(clips[3].utt).shape == (1, latents.dimension)


def test_files_are_deterministic_and_timed(extracted):
    _, folder = extracted
    extract_latents(folder / "backbone", folder / "manifest.tsv", None, folder / "twice", "cpu")
    for name in ("latents.npy", "index.tsv", "means.npy"):
        assert (folder / "out" / name).read_bytes() == (folder / "twice" / name).read_bytes()
    timing = json.loads((folder / "out" / "timing.json").read_text())
    assert timing["step"] == "latents" and timing["wall_s"] > 0


def test_an_unreadable_clip_leaves_no_file(extracted):
    clips, folder = extracted
    (folder / "audio" / "c2.flac").write_bytes(b"no audio")
    with pytest.raises(InputError, match="c2.flac"):
        extract_latents(folder / "backbone", folder / "manifest.tsv", None, folder / "none", "cpu")
    assert not (folder / "none").exists() or not list((folder / "none").iterdir())


def test_a_clip_that_ends_early_leaves_no_file(extracted):
    """Its header promises more samples than can be decoded, which shows only while extracting."""
    _, folder = extracted
    content = (folder / "audio" / "c1.flac").read_bytes()
    (folder / "audio" / "c1.flac").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="c1"):
        extract_latents(folder / "backbone", folder / "manifest.tsv", None, folder / "none", "cpu")
    assert not list((folder / "none").iterdir())


def test_unknown_clips_are_named(extracted):
    _, folder = extracted
    with Latents(folder / "out") as latents:
        assert "toy/c0" in latents and "toy/x" not in latents
        with pytest.raises(InputError, match="toy/x"):
            latents.frames("toy/x")
    with pytest.raises(InputError, match="toy/x"):
        extract_latents(
            folder / "backbone", folder / "manifest.tsv", ["toy/x"], folder / "none", "cpu"
        )


def test_mixed_up_files_are_noticed(extracted):
    _, folder = extracted
    np.save(folder / "out" / "means.npy", np.zeros((2, 16), dtype=np.float32))
    with pytest.raises(InputError, match="inconsistent"):
        Latents(folder / "out")
