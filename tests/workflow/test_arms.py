"""Arms with a backbone of their own, such as the encoder of w2v2-L-robust-12."""

import copy
import json

import numpy as np
import pytest
import torch
from selfsupervised_clips import (
    ARCH,
    LENGTHS,
    load_encoder,
    load_pretraining_model,
    waveform,
    write_clips,
    write_manifest,
)
from torch import nn
from transformers import Wav2Vec2Config, Wav2Vec2Model
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2PreTrainedModel
from workflow_runs import SUMMARIES, resolved, snakemake, tiny, write_config

from after_ser.core.errors import InputError
from after_ser.judge.grid import cells, reserved_speakers, used_backbones
from after_ser.judge.tables.published import column_of
from after_ser.model.classifier import start_classifier
from after_ser.model.families.conv_encoder import normalise, preprocessor
from after_ser.model.latents import Latents, extract_latents
from after_ser.model.materialise import materialise_folder
from after_ser.run.atomic import write_json

CLASSES = ["anger", "sad"]


class Head(nn.Module):
    """The regression head of the model card: dense, tanh, three outputs."""

    def __init__(self, width):
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.dropout = nn.Dropout(0.1)
        self.out_proj = nn.Linear(width, 3)


class SpeechClassification(Wav2Vec2PreTrainedModel):
    """The layout of the published weights: the encoder under `wav2vec2.`, and `classifier.`."""

    def __init__(self, config):
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = Head(config.hidden_size)


@pytest.fixture(scope="module", params=["model.safetensors", "pytorch_model.bin"])
def published(request, tmp_path_factory):
    """A small model of that layout, and the folder in which it was published."""
    folder = tmp_path_factory.mktemp("published")
    config = Wav2Vec2Config(
        conv_dim=[16] * 5, conv_kernel=ARCH["conv_kernel"], conv_stride=ARCH["conv_stride"],
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, feat_extract_norm="layer",
        do_stable_layer_norm=True, conv_bias=True,
    )  # fmt: skip
    torch.manual_seed(0)
    model = SpeechClassification(config).eval()
    described = config.to_dict() | {"architectures": ["Wav2Vec2ForSpeechClassification"]}
    write_json(folder / "config.json", described)
    write_json(folder / "preprocessor_config.json", preprocessor(True, "layer"))
    if request.param == "pytorch_model.bin":
        # as old as the published file: weight norm still had its first names
        old = {
            name.replace("parametrizations.weight.original0", "weight_g").replace(
                "parametrizations.weight.original1", "weight_v"
            ): value
            for name, value in model.state_dict().items()
        }
        assert sum(name.endswith(("weight_g", "weight_v")) for name in old) == 2
        torch.save(old, folder / request.param)
    else:
        from safetensors.torch import save_file

        save_file(dict(model.state_dict()), folder / request.param, metadata={"format": "pt"})
    return model, folder


@pytest.fixture
def installed(published, tmp_path):
    materialise_folder(published[1], tmp_path / "backbone")
    return published[0], tmp_path / "backbone"


def test_the_encoder_is_loaded_and_the_head_is_not(installed):
    model, folder = installed
    encoder = load_encoder(folder)
    own, theirs = encoder.state_dict(), model.wav2vec2.state_dict()
    assert own.keys() == theirs.keys()
    assert all(torch.equal(own[name], theirs[name]) for name in own)
    assert encoder.config.feat_extract_norm == "layer" and encoder.config.do_stable_layer_norm
    assert type(encoder.encoder).__name__ == "Wav2Vec2EncoderStableLayerNorm"


def test_it_cannot_be_adapted_because_it_has_no_quantiser(installed):
    with pytest.raises(InputError, match="lacks .* weights of Wav2Vec2ForPreTraining") as caught:
        load_pretraining_model(installed[1])
    assert "\n" not in str(caught.value)


def test_latents_and_classifier_give_what_the_model_gives(installed, tmp_path):
    """Samples normalised, CNN with layer norm, transformer with a padding mask."""
    model, folder = installed
    clips = write_clips(tmp_path / "audio", LENGTHS[:3])
    write_manifest(tmp_path / "manifest.tsv", clips)
    extract_latents(folder, tmp_path / "manifest.tsv", None, tmp_path / "latents", "cpu")
    classifier = start_classifier(folder, CLASSES, "mean-relu-linear", seed=0).eval()
    with Latents(tmp_path / "latents") as latents:
        frames = [latents.frames(clip.utt).astype(np.float32) for clip in clips]
    lengths = torch.tensor([len(clip) for clip in frames])
    padded = torch.zeros(3, int(lengths.max()), 16)
    for row, clip in enumerate(frames):
        padded[row, : len(clip)] = torch.from_numpy(clip)
    together = classifier.embed(padded, lengths)
    for row, clip in enumerate(clips):
        samples = np.round(waveform(clip.seconds, row) * 32768).clip(-32768, 32767) / 32768
        given = torch.from_numpy(normalise(samples.astype(np.float32)))[None]
        with torch.inference_mode():
            expected = model.wav2vec2(given).last_hidden_state.mean(dim=1).relu()[0]
        # latents are kept in float16
        assert torch.allclose(together[row], expected, atol=5e-3), row
        alone = classifier.embed(padded[row : row + 1, : lengths[row]], lengths[row : row + 1])
        assert torch.allclose(together[row], alone[0], atol=1e-5), "no clip depends on its batch"


def two_backbones():
    """The tiny config with an arm on a wider backbone, shown by table 4."""
    config = tiny()
    toy = config["backbones"]["toy"]
    wide = {**copy.deepcopy(toy), "note": "It has heard more."}
    wide["scratch"]["hidden_size"] = 32
    config["backbones"]["wide"] = wide
    config["arms"]["wide"] = {
        "label": "Wide", "start": "pretrained", "strategy": "random", "schedule": "oneshot",
        "backbone": "wide",
    }  # fmt: skip
    config["tables"]["table4"]["columns"]["Wide"] = "wide"
    return config


def test_an_arm_may_name_its_backbone():
    config = resolved(two_backbones())
    found = {cell.backbone for cell in cells(config) if cell.arm == "wide"}
    assert found == {"wide"} and used_backbones(config) == ["toy", "wide"]
    assert {cell.backbone for cell in cells(config) if cell.arm != "wide"} == {"toy"}
    cell = next(cell for cell in cells(config) if cell.arm == "wide")
    assert "/wide/pretrained/" in cell.folder
    assert all("/wide/" in path for part, path in cell.lineage if part == "latents")
    assert column_of(config["arms"]["wide"], config) is None, "the paper has no such row"
    mistaken = two_backbones()
    mistaken["arms"]["wide"]["backbone"] = "wyde"
    with pytest.raises(InputError, match='arms.wide.backbone: .*"wyde"'):
        resolved(mistaken)


def test_speakers_of_every_used_backbone_are_reserved():
    config = resolved(two_backbones())
    config["backbones"]["toy"]["pretraining"]["corpora"] = {"a": ["1", "2"], "b": ["7"]}
    config["backbones"]["wide"]["pretraining"]["corpora"] = {"a": ["2", "3"], "b": "all"}
    assert reserved_speakers(config) == {"a": ["1", "2", "3"], "b": "all"}
    del config["tables"]["table4"]["columns"]["Wide"]  # then nothing is run on it
    assert used_backbones(config) == ["toy"]
    assert reserved_speakers(config) == {"a": ["1", "2"], "b": ["7"]}


@pytest.mark.slow
def test_another_backbone_plans_its_own_files_and_leaves_all_others(tiny_run, tmp_path):
    path = write_config(tmp_path / "wide.yaml", two_backbones())
    run = snakemake(tiny_run, path, "--summary")
    rows = [line.split("\t") for line in run.output.splitlines() if "update pending" in line]
    made = {row[0].removeprefix("results/tiny/") for row in rows}
    own = {name for name in made if not name.startswith(SUMMARIES)}
    assert own and all("wide/" in name for name in own), sorted(own)
    assert {name.split("/")[0] for name in own} == {"backbone", "paper"}
    assert not any(name.startswith("backbone/toy") or "datasets" in name for name in made)


def test_the_note_of_a_backbone_is_no_setting_of_its_weights(tmp_path):
    config = two_backbones()
    write_config(tmp_path / "a.yaml", config)
    first = resolved(config)
    assert first["backbones"]["wide"]["note"] == "It has heard more."
    assert "note" not in first["backbones"]["toy"]
    assert json.dumps(first)  # plain values only
