"""HuBERT, WavLM and data2vec: transformers' modules give here what they give there."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from finetune_clips import CLASSES, CPU
from safetensors.torch import load_file, save_file
from selfsupervised_clips import LENGTHS, settings, waveform, write_clips
from transformers import AutoModel, pipeline

from after_ser.core.errors import InputError
from after_ser.learn.finetune.batches import Clips
from after_ser.learn.finetune.predict import predict
from after_ser.learn.finetune.round import load_clips
from after_ser.learn.tapt.objectives.registry import OBJECTIVES
from after_ser.learn.tapt.train import pretrain
from after_ser.model import registry
from after_ser.model.classifier import load_classifier, start_classifier
from after_ser.model.latents import Latents
from after_ser.model.materialise import materialise_folder
from after_ser.run.atomic import read_json, read_tsv
from after_ser.tools.export.model import write_model
from after_ser.tools.predict.scorer import Scorer
from tests.model.test_families import fit_a_round, with_latents

_SMALL = {
    "conv_dim": [16] * 5, "conv_kernel": [20, 8, 4, 4, 4], "conv_stride": [10, 4, 4, 2, 2],
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
_LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
#: As base and large models are; the large HuBERT here has no norm before its projection either.
MODELS = {
    "hubert": ("hubert", {"num_conv_pos_embeddings": 8}),
    "hubert-large": (
        "hubert", {**_LARGE, "num_conv_pos_embeddings": 7, "feat_proj_layer_norm": False},
    ),
    "wavlm": ("wavlm", {"num_conv_pos_embeddings": 8, "num_buckets": 20}),
    "wavlm-large": ("wavlm", {**_LARGE, "num_conv_pos_embeddings": 8, "num_buckets": 20}),
    "data2vec-audio": (
        "data2vec-audio", {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 5},
    ),
}  # fmt: skip
EACH = pytest.mark.parametrize("name", MODELS)
ONE_OF_EACH = pytest.mark.parametrize("name", ["hubert", "wavlm", "data2vec-audio"])


def architecture(name, **changes):
    kind, more = MODELS[name]
    return {"model_type": kind, **_SMALL, **more, **changes}


def write_start(folder, name, **changes):
    """A checkpoint with no weight at 0 or 1, as norms, biases and gates of a new model are."""
    given = architecture(name, **changes)
    made = registry.family_of_architecture(given).build(given, 3)
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in made.module.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    made.save(folder / "given")
    materialise_folder(folder / "given", folder / "start")
    return folder / "start"


def heard(start):
    """Prepared samples, latents padded to a batch, and which frames are none."""
    stem = registry.family_of(start).stem(start, CPU)
    prepared = [stem.prepare(waveform(seconds, seed)) for seed, seconds in enumerate(LENGTHS)]
    latents = [torch.from_numpy(stem.encode(samples)) for samples in prepared]
    lengths = [len(frames) for frames in latents]
    assert lengths == [stem.geometry.frames(len(samples)) for samples in prepared]
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return prepared, torch.nn.utils.rnn.pad_sequence(latents, batch_first=True), valid


@EACH
@torch.no_grad()
def test_every_layer_of_a_padded_batch_is_that_of_transformers_clip_by_clip(name, tmp_path):
    start = write_start(tmp_path, name)
    body = registry.family_of(start).body(start)
    prepared, latents, valid = heard(start)
    assert not bool(valid.all())
    ours = body.layers(body.project(latents), valid)
    model = AutoModel.from_pretrained(start).eval()
    for row, samples in enumerate(prepared):
        theirs = model(torch.from_numpy(samples)[None], output_hidden_states=True)
        # of a pre-norm model theirs lacks the final norm in the last of them
        expected = [*theirs.hidden_states[:-1], theirs.last_hidden_state]
        assert len(ours) == len(expected) == 4
        for layer, (found, wanted) in enumerate(zip(ours, expected, strict=True)):
            kept = found[row][valid[row]]
            assert kept.std() > 0.1
            torch.testing.assert_close(kept, wanted[0], atol=2e-5, rtol=0, msg=f"{row} {layer}")


@ONE_OF_EACH
@torch.no_grad()
def test_transformers_own_padded_batch_is_equal_where_it_does_not_hear_its_padding(name, tmp_path):
    start = write_start(tmp_path, name)
    body = registry.family_of(start).body(start)
    _, latents, valid = heard(start)
    ours = body.last(body.project(latents), valid)
    theirs = body.transformer(body.project(latents), attention_mask=valid).last_hidden_state
    apart = float((ours - theirs)[valid].abs().max())
    # in data2vec's stack of convolutions the second one reads what the first made of the padding
    assert (apart > 0.1) if name == "data2vec-audio" else (apart <= 2e-5)


@EACH
def test_a_round_is_fitted_and_no_score_depends_on_the_batch(name, tmp_path):
    start = write_start(tmp_path, name)
    clips = with_latents(tmp_path, start)
    before = start_classifier(start, CLASSES, "mean-relu-linear", 1).state_dict()
    model, written = fit_a_round(tmp_path, start, clips, max_epochs=5)
    after = model.state_dict()
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert any(key.startswith("transformer.layers.0.") for key in changed)
    assert not any(key.startswith("projection.") for key in changed)
    losses = read_tsv(written / "history.tsv", ("train_loss",))["train_loss"]
    assert losses.iloc[-1] < losses.iloc[0]
    files = (written / "model/model.safetensors", written / "model/config.json")
    assert read_json(files[1])[MODELS[name][0]]["hidden_size"] == 16
    again = load_classifier(*files)
    with Latents(tmp_path / "latents") as latents:
        given = load_clips(latents, [clip.utt for clip in clips])
    together = predict(again, given, CPU)
    np.testing.assert_array_equal(together, predict(model, given, CPU))
    alone = [
        predict(again, Clips([utt], [frames]), CPU)[0]
        for utt, frames in zip(given.utts, given.frames, strict=True)
    ]
    assert together.std(axis=0).min() > 1e-3
    np.testing.assert_allclose(together, alone, atol=1e-4)
    fit_a_round(tmp_path, start, clips, files, max_epochs=1)  # a warm start


@EACH
def test_bfloat16_is_near_float32(name, tmp_path):
    start = write_start(tmp_path, name)
    _, latents, valid = heard(start)
    model = start_classifier(start, CLASSES, "mean-relu-linear", 1).eval()
    with torch.no_grad():
        exact = model(latents, valid.sum(1))
        model.bf16 = True
        torch.testing.assert_close(model(latents, valid.sum(1)), exact, atol=0.05, rtol=0)


@ONE_OF_EACH
def test_tapt_predicts_pseudo_labels_and_the_result_is_a_checkpoint(name, tmp_path):
    class Loudness:
        sizes, sha256 = (2,), "x"

        def frames(self, utt, start, count, geometry):
            return np.arange(count)[:, None] % 2

    start = write_start(tmp_path, name)
    clips = write_clips(tmp_path / "audio", LENGTHS)
    places = (tmp_path / "out", tmp_path / "state", "cpu", 1)
    pretrain(
        start, clips, settings(objective="p-tapt", steps=4), ("tapt", 1), *places, Loudness()
    )  # fmt: skip
    before, after = (
        load_file(folder / "model.safetensors") for folder in (start, tmp_path / "out")
    )
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert "encoder.layers.0.attention.q_proj.weight" in changed
    assert all(key.startswith("encoder.") for key in changed)
    _, latents, valid = heard(tmp_path / "out")
    assert start_classifier(tmp_path / "out", CLASSES, "mean-relu-linear", 1)(
        latents, valid.sum(1)
    ).isfinite().all()  # fmt: skip


@ONE_OF_EACH
def test_codes_and_missing_masks_are_refused_in_one_line(name, tmp_path):
    start = write_start(tmp_path, name)
    places = (tmp_path / "no", tmp_path / "state", "cpu", 1)
    clips = write_clips(tmp_path / "audio", LENGTHS)
    with pytest.raises(InputError, match=f"a {name} backbone has no quantiser") as caught:
        pretrain(start, clips, settings(objective="eq2"), ("tapt", 1), *places)
    assert "\n" not in str(caught.value) and not (tmp_path / "no").exists()
    state = load_file(start / "model.safetensors")
    del state["masked_spec_embed"]
    save_file(state, start / "model.safetensors")
    family = registry.family_of(start)
    assert family.body(start).mask_embedding is None
    with pytest.raises(InputError, match="no mask embedding"):
        family.pretraining(start)


def test_the_registry_says_of_every_objective_whether_it_reads_codes():
    for name, known in OBJECTIVES.items():
        assert registry._class(known.where).reads_codes == known.reads_codes, name


@EACH
def test_an_export_is_the_familys_class_and_says_what_the_round_said(name, tmp_path):
    start = write_start(tmp_path, name)
    clips = with_latents(tmp_path, start)
    model, written = fit_a_round(
        tmp_path, start, clips, head="sequence-classification", max_epochs=2
    )
    write_model(tmp_path / "export", written / "model", start, 1.0)
    family = registry.family_of(start)
    kinds = read_json(tmp_path / "export/config.json")["architectures"]
    assert kinds == [family.classifier_class] and family.classifier_class.startswith(
        {"hubert": "Hubert", "wavlm": "WavLM", "data2vec-audio": "Data2VecAudio"}[MODELS[name][0]]
    )
    waves = [waveform(seconds, seed) for seed, seconds in enumerate(LENGTHS)]
    stem = family.stem(start, CPU)
    frames = [stem.encode(stem.prepare(wave)) for wave in waves]
    expected = predict(model, Clips([str(i) for i in range(len(waves))], frames), CPU)
    assert expected.std(axis=0).min() > 1e-4
    scorer = Scorer(tmp_path / "export", CPU)
    assert scorer.classes == CLASSES
    np.testing.assert_allclose(scorer.score(waves), expected, atol=1e-5)
    classify = pipeline("audio-classification", model=str(tmp_path / "export"), device="cpu")
    for wave, wanted in zip(waves, expected, strict=True):
        if len(wave) < stem.geometry.receptive_field:
            continue
        said = classify({"raw": wave, "sampling_rate": 16_000}, top_k=None)
        scores = {answer["label"]: answer["score"] for answer in said}
        np.testing.assert_allclose([scores[label] for label in CLASSES], wanted, atol=2e-5)


@ONE_OF_EACH
def test_saved_again_it_is_a_folder_of_transformers(name, tmp_path):
    """The few-shot study does this: the checkpoint with a transformer that was trained."""
    start = write_start(tmp_path, name)
    family = registry.family_of(start)
    body = family.body(start)
    with torch.no_grad():
        body.transformer.layers[1].final_layer_norm.weight.add_(1)
    family.save(start, body, tmp_path / "saved")
    theirs = AutoModel.from_pretrained(tmp_path / "saved")
    assert type(theirs).__name__ == family.model_class
    before = load_file(start / "model.safetensors")
    for key, value in theirs.state_dict().items():
        moved = 1.0 if key == "encoder.layers.1.final_layer_norm.weight" else 0.0
        torch.testing.assert_close(value, before[key] + moved)


@pytest.mark.parametrize("name", ["hubert", "wavlm"])
@torch.no_grad()
def test_a_fine_tuned_checkpoint_of_before_2024_is_read(name, tmp_path):
    """With the names of its class and of the old weight norm, and what belongs to its head."""
    start = write_start(tmp_path, name)
    family = registry.family_of(start)
    _, latents, valid = heard(start)
    before = family.body(start)
    expected = before.last(before.project(latents), valid)
    path = start / "model.safetensors"
    ends = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}  # noqa: E501 # fmt: skip
    old = {"lm_head.weight": torch.zeros(3, 16)}
    for key, value in load_file(path).items():
        for new, end in ends.items():
            key = key.replace(new, end)
        old[f"{name}.{key}"] = value
    assert sum(key.endswith(("weight_g", "weight_v")) for key in old) == 2
    save_file(old, path)
    body = family.body(start)
    torch.testing.assert_close(body.last(body.project(latents), valid), expected)


@ONE_OF_EACH
def test_a_config_with_a_wrong_value_is_refused_in_one_line(name, tmp_path):
    start = write_start(tmp_path, name)
    wrong = read_json(start / "config.json") | {"hidden_size": "many"}
    (start / "config.json").write_text(json.dumps(wrong))
    with pytest.raises(InputError, match="cannot load .*hidden_size") as caught:
        registry.family_of(start).body(start)
    assert "\n" not in str(caught.value)


def test_a_batch_norm_over_padding_is_refused(tmp_path):
    with pytest.raises(InputError, match="conv_pos_batch_norm") as caught:
        write_start(tmp_path, "hubert", conv_pos_batch_norm=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["encoder.layers.0.attention.gru_rel_pos_const", "encoder.layers.0.attention.rel_attn_embed.weight"])  # noqa: E501 # fmt: skip
def test_positions_that_are_missing_are_named(missing, tmp_path):
    start = write_start(tmp_path, "wavlm")
    state = load_file(start / "model.safetensors")
    del state[missing]
    save_file(state, start / "model.safetensors")
    with pytest.raises(InputError, match=missing):
        registry.family_of(start).body(start)


@pytest.mark.parametrize(
    ("hub", "millions"),
    [
        ("facebook/hubert-base-ls960", 94.4),
        ("facebook/hubert-large-ll60k", 315.4),
        ("facebook/hubert-xlarge-ll60k", 962.5),
        ("microsoft/wavlm-base-plus", 94.4),
        ("microsoft/wavlm-large", 315.5),
        ("facebook/data2vec-audio-base", 93.2),
        ("facebook/wav2vec2-xls-r-300m", 315.4),
        ("facebook/wav2vec2-large-robust", 315.4),
        ("facebook/wav2vec2-large-960h", 315.4),
    ],
)
def test_the_size_that_is_planned_with_is_that_of_the_published_model(hub, millions):
    family = registry.family_named({"hub": hub})
    assert family.model_type in hub
    assert family.shape({"hub": hub}).parameters / 1e6 == pytest.approx(millions, rel=0.06)


@ONE_OF_EACH
def test_an_architecture_to_measure_with_has_the_size_that_is_planned_with(name):
    family = registry.family(name, "a test")
    with torch.device("meta"):
        module = family.build(family.architecture({"hub": name}), 0).module
    count = sum(weight.numel() for weight in module.parameters())
    assert family.shape({"hub": name}).parameters == pytest.approx(count, rel=0.06)


def test_a_folder_is_what_its_config_says_and_else_what_its_name_says(tmp_path):
    start = write_start(tmp_path, "wavlm")
    assert registry.family_named({"folder": str(start)}).model_type == "wavlm"
    absent = Path("/models/data2vec-audio-base")
    assert registry.family_named({"folder": str(absent)}).model_type == "data2vec-audio"
