"""Checkpoint folders: strict loading, old weight names, pickles, local copies."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from selfsupervised_clips import ARCH, GROUP_NORM, load_encoder, load_pretraining_model, waveform

from after_ser.core.errors import InputError
from after_ser.model.families.conv_encoder import normalise, save_model, wants_normalised
from after_ser.model.materialise import materialise_folder, materialise_hub
from after_ser.model.scratch import build_scratch

OLD_NAMES = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}


@pytest.fixture
def saved(tmp_path):
    """A group-norm model like wav2vec2-base, and the folder it was saved in."""
    model = build_scratch(GROUP_NORM, 0)
    save_model(model, tmp_path / "saved", do_normalize=True)
    return model, tmp_path / "saved"


def rewrite(folder, change):
    """Replace the weights by what `change` makes of them."""
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors", metadata={"format": "pt"})


def old_names(tensors):
    renamed = {}
    for name, value in tensors.items():
        for new, old in OLD_NAMES.items():
            name = name.replace(new, old)
        renamed[name] = value
    return renamed


def same_weights(left, right):
    left, right = left.state_dict(), right.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_saved_models_load_back(saved):
    model, folder = saved
    assert same_weights(model, load_pretraining_model(folder))
    encoder = load_encoder(folder)
    assert same_weights(model.wav2vec2, encoder)
    assert not encoder.training
    assert wants_normalised(folder)


def test_saving_twice_gives_the_same_bytes(saved, tmp_path):
    model, folder = saved
    save_model(load_pretraining_model(folder), tmp_path / "again", do_normalize=True)
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_old_weight_norm_names_are_understood(saved):
    model, folder = saved
    rewrite(folder, old_names)
    assert any(name.endswith("weight_g") for name in load_file(folder / "model.safetensors"))
    assert same_weights(model, load_pretraining_model(folder))
    assert same_weights(model.wav2vec2, load_encoder(folder))


def test_missing_encoder_weights_are_an_error(saved):
    _, folder = saved
    gone = "wav2vec2.encoder.layers.0.attention.k_proj.weight"
    rewrite(folder, lambda tensors: {k: v for k, v in tensors.items() if k != gone})
    with pytest.raises(InputError, match="k_proj"):
        load_encoder(folder)


def test_a_checkpoint_without_quantiser_serves_fine_tuning_but_not_pretraining(saved):
    model, folder = saved
    rewrite(folder, lambda t: {k: v for k, v in t.items() if k.startswith("wav2vec2.")})
    assert same_weights(model.wav2vec2, load_encoder(folder))
    with pytest.raises(InputError, match="project_q"):
        load_pretraining_model(folder)


def test_weights_of_another_shape_are_an_error(saved):
    _, folder = saved
    name = "wav2vec2.feature_projection.projection.weight"
    rewrite(folder, lambda tensors: {**tensors, name: tensors[name][:, :8].contiguous()})
    with pytest.raises(InputError, match="cannot load"):
        load_encoder(folder)


def test_truncated_weights_are_an_error(saved):
    _, folder = saved
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cannot load"):
        load_encoder(folder)


def test_half_precision_checkpoints_become_float32(saved):
    _, folder = saved
    rewrite(folder, lambda tensors: {name: value.half() for name, value in tensors.items()})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "float16"}))
    assert {p.dtype for p in load_encoder(folder).parameters()} == {torch.float32}


def test_other_models_are_refused(saved):
    _, folder = saved
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "clap"}))
    with pytest.raises(InputError, match="clap"):
        load_encoder(folder)


def test_normalise_is_that_of_transformers():
    from transformers import Wav2Vec2FeatureExtractor

    clip = waveform(0.4, 0) + 0.2
    theirs = Wav2Vec2FeatureExtractor(do_normalize=True)(clip, sampling_rate=16_000)
    np.testing.assert_allclose(normalise(clip), theirs.input_values[0], atol=1e-5)
    assert np.isfinite(normalise(np.zeros(100, dtype=np.float32))).all()


def test_folder_is_copied_with_its_origin(saved, tmp_path):
    model, folder = saved
    materialise_folder(folder, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "config.json", "model.safetensors", "preprocessor_config.json", "origin.json",
    }  # fmt: skip
    origin = json.loads((tmp_path / "out" / "origin.json").read_text())
    assert origin["kind"] == "folder"
    assert origin["parameters"] == sum(p.numel() for p in model.parameters())
    assert len(origin["sha256"]) == 64
    assert same_weights(model, load_pretraining_model(tmp_path / "out"))


def test_old_pickled_weights_are_converted(saved, tmp_path):
    model, folder = saved
    torch.save(old_names(load_file(folder / "model.safetensors")), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    materialise_folder(folder, tmp_path / "out")
    assert not (tmp_path / "out" / "pytorch_model.bin").exists()
    assert same_weights(model, load_pretraining_model(tmp_path / "out"))


class Attack:
    def __reduce__(self):
        return (print, ("this must never be printed",))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickles_with_code_are_refused(saved, tmp_path, capsys):
    _, folder = saved
    (folder / "model.safetensors").unlink()
    with open(folder / "pytorch_model.bin", "wb") as handle:
        pickle.dump({"weight": Attack()}, handle)
    with pytest.raises(InputError, match="plain weights"):
        materialise_folder(folder, tmp_path / "out")
    assert "never" not in capsys.readouterr().out


@pytest.mark.parametrize("gone", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_incomplete_folders_are_named(saved, tmp_path, gone):
    _, folder = saved
    (folder / gone).unlink()
    with pytest.raises(InputError, match=gone):
        materialise_folder(folder, tmp_path / "out")


def test_no_folder_at_all(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        materialise_folder(tmp_path / "nowhere", tmp_path / "out")


def test_other_sampling_rates_are_refused(saved):
    _, folder = saved
    (folder / "preprocessor_config.json").write_text('{"sampling_rate": 8000}')
    with pytest.raises(InputError, match="8000"):
        wants_normalised(folder)


@pytest.mark.parametrize("revision", ["main", "", "2dcc7b7", "g" * 40])
def test_unpinned_revisions_are_refused(tmp_path, revision):
    with pytest.raises(InputError, match="40 hexadecimal"):
        materialise_hub("facebook/wav2vec2-base", revision, tmp_path)


def test_layer_norm_models_ask_for_an_attention_mask(tmp_path):
    for arch, wanted in ((ARCH, True), (GROUP_NORM, False)):
        shutil.rmtree(tmp_path / "m", ignore_errors=True)
        save_model(build_scratch(arch, 0), tmp_path / "m", do_normalize=False)
        record = json.loads((tmp_path / "m" / "preprocessor_config.json").read_text())
        assert record["return_attention_mask"] is wanted
        assert not wants_normalised(tmp_path / "m")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
WEIGHTS = "model.safetensors"


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "preprocessor_config.json"])
def test_a_pointer_of_git_lfs_is_named(saved, tmp_path, name):
    _, folder = saved
    (folder / name).write_bytes(POINTER)
    with pytest.raises(InputError, match=f"{name} is a pointer of Git LFS"):
        materialise_folder(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("pickled", [False, True])
def test_a_weight_that_is_not_finite_is_named_when_the_backbone_is_brought_in(
    saved, tmp_path, value, pickled
):
    _, folder = saved
    name = next(name for name in load_file(folder / WEIGHTS) if name.endswith("weight"))

    def spoil(tensors):
        tensors[name].view(-1)[1] = value
        return tensors

    rewrite(folder, spoil)
    if pickled:
        torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
        (folder / WEIGHTS).unlink()
    with pytest.raises(InputError, match=f"1 of .* numbers of {name} are NaN"):
        materialise_folder(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def in_parts(folder):
    """Write the weights as transformers writes large ones: in several files and their index."""
    tensors = load_file(folder / WEIGHTS)
    names = enumerate(sorted(tensors))
    place = {name: f"model-{1 + index % 3:05}-of-00003.safetensors" for index, name in names}
    for file in set(place.values()):
        part = {name: value for name, value in tensors.items() if place[name] == file}
        save_file(part, folder / file)
    index = {"metadata": {}, "weight_map": place}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / WEIGHTS).unlink()
    return sorted(set(place.values()))


def test_a_checkpoint_in_several_files_is_put_together(saved, tmp_path):
    model, folder = saved
    assert len(in_parts(folder)) == 3
    materialise_folder(folder, tmp_path / "out")
    assert same_weights(model, load_pretraining_model(tmp_path / "out"))


def test_of_several_files_one_that_is_missing_or_a_pointer_is_named(saved, tmp_path):
    _, folder = saved
    name = in_parts(folder)[1]
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        materialise_folder(folder, tmp_path / "out")
    (folder / name).write_bytes(POINTER)
    with pytest.raises(InputError, match=f"{name} is a pointer"):
        materialise_folder(folder, tmp_path / "out")
