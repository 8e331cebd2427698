"""Moonshine and Whisper: clip by clip what transformers' own forward pass gives."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from finetune_clips import CLASSES, CPU
from safetensors.torch import load_file, save_file
from selfsupervised_clips import LENGTHS, settings, waveform, write_clips
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.moonshine.modeling_moonshine import MoonshineEncoder
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from after_ser.core.errors import InputError
from after_ser.learn.finetune.batches import Clips
from after_ser.learn.finetune.predict import predict
from after_ser.learn.finetune.round import load_clips
from after_ser.learn.tapt.train import pretrain
from after_ser.model import registry
from after_ser.model.classifier import load_classifier, start_classifier
from after_ser.model.families.speech_to_text import attended
from after_ser.model.latents import Latents
from after_ser.model.materialise import materialise_folder
from after_ser.run.atomic import read_json, read_tsv
from tests.model.test_families import fit_a_round, with_latents

MODELS = {
    "moonshine": {
        "hidden_size": 32, "intermediate_size": 64, "encoder_num_hidden_layers": 3,
        "encoder_num_attention_heads": 2,
    },
    # its windows are of 1.2 s, so that two of LENGTHS need a second one
    "whisper": {
        "d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 64,
        "num_mel_bins": 20, "max_source_positions": 60,
    },
}  # fmt: skip
EACH = pytest.mark.parametrize("name", MODELS)
WINDOW = 60 * 320
SECONDS = [*LENGTHS, 1.3, 0.01]  # the last is shorter than a frame
WEIGHTS = Path(__file__).parents[3] / "shared/weights/whisper-base/encoder.fp16.safetensors"


def write_start(folder, name, **changes):
    given = {"model_type": name, **MODELS[name], **changes}
    made = registry.family_of_architecture(given).build(given, 3)
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in made.module.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    made.save(folder / "given")
    materialise_folder(folder / "given", folder / "start")
    return folder / "start"


def rewrite(folder, change):
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


def hidden_states(output):
    """Of transformers 5, whose last one lacks the final norm."""
    return [*output.hidden_states[:-1], output.last_hidden_state]


@torch.no_grad()
def theirs_of(name, start, samples, window=WINDOW):
    """The hidden states [T, H] of every layer, of one clip of at least a frame."""
    given = torch.from_numpy(samples)
    if name == "moonshine":
        model = MoonshineEncoder.from_pretrained(start).eval()
        output = model(given[None], output_hidden_states=True)
        return [states[0] for states in hidden_states(output)]
    parts = []
    for first in range(0, len(samples), window):
        part = samples[first : first + window]
        extract = WhisperFeatureExtractor.from_pretrained(start)
        mel = extract(part, sampling_rate=16_000, padding="do_not_pad", return_tensors="pt")
        # the model wants a whole window: one is made whose positions end with the clip
        frames = mel.input_features.shape[-1] // 2
        config = WhisperConfig.from_pretrained(start, max_source_positions=frames)
        model = WhisperEncoder(config).eval()
        state = {k: v.float() for k, v in load_file(start / "model.safetensors").items()}
        state["embed_positions.weight"] = state["embed_positions.weight"][:frames]
        model.load_state_dict(state)
        output = model(mel.input_features[..., : 2 * frames], output_hidden_states=True)
        parts.append([states[0] for states in hidden_states(output)])
    return [torch.cat(layer) for layer in zip(*parts, strict=True)]


@EACH
@torch.no_grad()
def test_every_layer_of_a_clip_is_that_of_transformers_and_so_it_is_in_a_padded_batch(
    name, tmp_path
):
    start = write_start(tmp_path, name)
    family = registry.family_of(start)
    body, stem = family.body(start), family.stem(start, CPU)
    waves = [waveform(seconds, seed) for seed, seconds in enumerate(SECONDS)]
    prepared = [stem.prepare(wave) for wave in waves]
    latents = [torch.from_numpy(stem.encode(samples)) for samples in prepared]
    lengths = [len(frames) for frames in latents]
    assert lengths == [stem.geometry.frames(len(wave)) for wave in waves] and lengths[-1] == 1
    together = torch.nn.utils.rnn.pad_sequence(latents, batch_first=True)
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    batch = body.layers(body.project(together), valid)
    assert all(states.isfinite().all() for states in batch)
    for row, samples in enumerate(prepared):
        alone = body.layers(body.project(latents[row][None]), None)
        expected = theirs_of(name, start, samples)
        assert len(alone) == len(expected) == 4
        for layer, wanted in enumerate(expected):
            assert wanted.std() > 0.1
            torch.testing.assert_close(alone[layer][0], wanted, atol=2e-5, rtol=0)
            kept = batch[layer][row][valid[row]]
            torch.testing.assert_close(kept, wanted, atol=2e-5, rtol=0)


@EACH
def test_a_round_is_fitted_and_no_score_depends_on_the_batch(name, tmp_path):
    start = write_start(tmp_path, name)
    clips = with_latents(tmp_path, start)
    model, written = fit_a_round(tmp_path, start, clips, max_epochs=5)
    fresh = start_classifier(start, CLASSES, "mean-relu-linear", 1)
    assert not fresh.body.transformer.training
    before, after = fresh.state_dict(), model.state_dict()
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert any(key.startswith("transformer.layers.0.self_attn.q_proj") for key in changed)
    assert not any(key.startswith("projection.") for key in changed)
    losses = read_tsv(written / "history.tsv", ("train_loss",))["train_loss"]
    assert losses.iloc[-1] < losses.iloc[0]
    files = (written / "model/model.safetensors", written / "model/config.json")
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
    stem = registry.family_of(start).stem(start, CPU)
    waves = [waveform(seconds, seed) for seed, seconds in enumerate(SECONDS)]
    latents = [torch.from_numpy(stem.encode(stem.prepare(wave))) for wave in waves]
    lengths = torch.tensor([len(frames) for frames in latents])
    together = torch.nn.utils.rnn.pad_sequence(latents, batch_first=True)
    model = start_classifier(start, CLASSES, "mean-relu-linear", 1).eval()
    with torch.no_grad():
        exact = model(together, lengths)
        model.bf16 = True
        torch.testing.assert_close(model(together, lengths), exact, atol=0.05, rtol=0)


@EACH
def test_a_whole_model_in_half_precision_is_read_without_its_decoder(name, tmp_path):
    start = write_start(tmp_path, name)
    family = registry.family_of(start)
    before = family.load_encoder(start).state_dict()
    decoder = {"model.decoder.layer_norm.weight": torch.ones(3)}
    rewrite(start, lambda all: {f"model.encoder.{k}": v.half() for k, v in all.items()} | decoder)
    after = family.load_encoder(start).state_dict()
    assert before.keys() == after.keys()
    for key, value in after.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, before[key], atol=2e-3, rtol=1e-3)


@EACH
def test_weights_that_are_missing_or_do_not_fit_are_named_in_one_line(name, tmp_path):
    start = write_start(tmp_path, name)
    family = registry.family_of(start)
    key = "layers.1.self_attn.k_proj.weight"
    rewrite(start, lambda all: {k: v for k, v in all.items() if k != key})
    with pytest.raises(InputError, match=f"lacks 1 weights .*{key}"):
        family.body(start)
    rewrite(start, lambda all: all | {key: torch.zeros(2, 2)})
    with pytest.raises(InputError, match="cannot load .*size mismatch") as caught:
        family.body(start)
    assert "\n" not in str(caught.value)


@EACH
def test_a_config_that_describes_none_is_refused_in_one_line(name, tmp_path):
    start = write_start(tmp_path, name)
    wrong = read_json(start / "config.json") | {"vocab_size": "many"}
    (start / "config.json").write_text(json.dumps(wrong))
    with pytest.raises(InputError, match="describes no .*vocab_size") as caught:
        registry.family_of(start).body(start)
    assert "\n" not in str(caught.value)


@EACH
def test_saved_again_it_is_the_checkpoint_with_the_trained_transformer(name, tmp_path):
    start = write_start(tmp_path, name)
    family = registry.family_of(start)
    body = family.body(start)
    with torch.no_grad():
        body.transformer["layers"][1].self_attn.k_proj.weight.add_(1)
    family.save(start, body, tmp_path / "saved")
    before, after = (
        load_file(one / "model.safetensors") for one in (start, tmp_path / "saved")
    )  # fmt: skip
    assert before.keys() == after.keys()
    changed = [key for key in after if not torch.equal(after[key], before[key])]
    assert changed == ["layers.1.self_attn.k_proj.weight"]
    wave = waveform(1.0, 1)
    stems = [family.stem(one, CPU) for one in (start, tmp_path / "saved")]
    one, other = (stem.encode(stem.prepare(wave)) for stem in stems)
    np.testing.assert_array_equal(one, other)
    assert read_json(tmp_path / "saved/config.json")["model_type"] == name


@EACH
def test_tapt_is_refused_in_one_line(name, tmp_path):
    start = write_start(tmp_path, name)
    clips = write_clips(tmp_path / "audio", LENGTHS)
    places = (tmp_path / "no", tmp_path / "state", "cpu", 1)
    for objective in ("eq1", "p-tapt"):
        with pytest.raises(InputError, match=f"a {name} backbone, which has no mask") as caught:
            pretrain(start, clips, settings(objective=objective), ("tapt", 1), *places)
        assert "\n" not in str(caught.value) and not (tmp_path / "no").exists()
    from workflow_runs import resolved, tiny

    config = tiny()
    config["backbone"] = "given"
    config["backbones"]["given"] = {"folder": str(start)}
    with pytest.raises(InputError, match="arms.after: start tapt: .* no mask embedding"):
        resolved(config)
    with pytest.raises(InputError, match="has no mask embedding; expected one for spec_augment"):
        start_classifier(start, CLASSES, "mean-relu-linear", 1, augment=True)


def test_no_class_of_transformers_scores_as_these_do():
    for name in MODELS:
        assert registry.exportable_heads(registry.family(name, "a test")) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [({"hop_length": 80}, "hop_length 80; expected 160"),
     ({"feature_size": 80}, "feature_size 80; expected 20"),
     ({"sampling_rate": 8000}, "sampling_rate 8000; expected 16000")],
)  # fmt: skip
def test_another_spectrum_is_refused_in_one_line(change, message, tmp_path):
    start = write_start(tmp_path, "whisper")
    path = start / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        registry.family_of(start).check(start)


def test_padding_in_a_window_of_its_own_attends_to_something():
    """A mean of nothing is NaN in some of torch's implementations of attention."""
    valid = torch.arange(130) < torch.tensor([40, 130])[:, None]
    mask = attended(torch.zeros(2, 130, 4), valid, 60)
    assert mask.shape == (2, 1, 130, 130) and bool(mask.any(-1).all())
    assert not mask[0, 0, :40, 40:].any()
    assert not mask[1, 0, :60, 60:].any()


def test_a_window_hears_nothing_of_the_next(tmp_path):
    """The first 1.2 s of a longer clip are what they are alone, in every layer."""
    start = write_start(tmp_path, "whisper")
    family = registry.family_of(start)
    body, stem = family.body(start), family.stem(start, CPU)
    wave = waveform(2.0, 1)
    with torch.no_grad():
        whole, first = (
            body.last(body.project(torch.from_numpy(stem.encode(stem.prepare(part)))[None]), None)
            for part in (wave, wave[:WINDOW])
        )
    assert whole.shape[1] == 100 and first.shape[1] == 60
    torch.testing.assert_close(whole[:, :60], first, atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("hub", "millions", "gflops"),
    [("UsefulSensors/moonshine-tiny", 7.68, 0.75), ("UsefulSensors/moonshine-base", 20.1, 1.7),
     ("openai/whisper-base", 20.6, 2.1)],
)  # fmt: skip
def test_the_size_that_is_planned_with_is_that_of_the_published_encoder(hub, millions, gflops):
    family = registry.family_named({"hub": hub})
    shape = family.shape({"hub": hub})
    assert shape.parameters / 1e6 == pytest.approx(millions, rel=0.06)
    assert (shape.cnn_flops + shape.transformer_flops) / 1e9 == pytest.approx(gflops, rel=0.2)
    with torch.device("meta"):
        module = family.build(family.architecture({"hub": hub}), 0).module
    assert sum(w.numel() for w in module.parameters()) / 1e6 == pytest.approx(millions, rel=0.02)
    assert shape.frames_per_second == pytest.approx(50 if "whisper" in hub else 16_000 / 384)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"{WEIGHTS.parent} is not here")
@torch.no_grad()
def test_whisper_base_gives_what_it_gives_in_transformers(tmp_path):
    described = WhisperConfig(
        d_model=512, encoder_layers=6, encoder_attention_heads=8, encoder_ffn_dim=2048
    ).to_dict()
    (tmp_path / "config.json").write_text(json.dumps(described))
    family = registry.family_of(tmp_path)
    preprocessor = family.preprocessor(described)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    (tmp_path / "model.safetensors").symlink_to(WEIGHTS)
    family.check(tmp_path)
    body, stem = family.body(tmp_path), family.stem(tmp_path, CPU)
    assert preprocessor.items() <= WhisperFeatureExtractor().to_dict().items()
    samples = stem.prepare(waveform(3.0, 1))
    ours = body.layers(body.project(torch.from_numpy(stem.encode(samples))[None]), None)
    expected = theirs_of("whisper", tmp_path, samples, 480_000)
    assert len(ours) == len(expected) == 7 and len(expected[0]) == 150
    for layer, wanted in enumerate(expected):
        torch.testing.assert_close(ours[layer][0], wanted, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["moonshine", "whisper"])
def test_an_export_without_a_class_of_transformers_is_refused_in_one_line(tmp_path, name):
    module, _, kind = registry.FAMILIES[name].partition(":")
    family = getattr(import_module(module), kind)()
    with pytest.raises(InputError, match=f"no classifier on {name}"):
        family.export(tmp_path, None, {}, {}, tmp_path / "out")
    assert not (tmp_path / "out").exists()
