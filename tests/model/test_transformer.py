"""The transformer in torch alone gives what transformers' own class gives, bit for bit."""

import json
import subprocess
import sys
from dataclasses import fields
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file
from selfsupervised_clips import ARCH, load_encoder
from torch.nn import functional
from transformers import Wav2Vec2Config

from after_ser.core.errors import InputError
from after_ser.model.families.conv_encoder import save_model
from after_ser.model.families.wav2vec2_fast import dropout as dropout_module
from after_ser.model.families.wav2vec2_fast import transformer
from after_ser.model.families.wav2vec2_fast.transformer import TransformerConfig
from after_ser.model.registry import family_of
from after_ser.model.scratch import build_scratch
from after_ser.run.atomic import write_json

LENGTHS = [23, 9, 31, 31]


@pytest.fixture(params=["layer norm after (base)", "layer norm before (large)"])
def start(request, tmp_path):
    more = {"do_stable_layer_norm": True} if "before" in request.param else {}
    odd = {"num_conv_pos_embeddings": 7} if more else {}
    model = build_scratch({**ARCH, **more, **odd, "layerdrop": 0.3, "layers": 4}, 3)
    with torch.no_grad():  # norms and biases of a new model are ones and zeros
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    save_model(model, tmp_path / "start", do_normalize=True)
    return tmp_path / "start"


def load_body(start):
    return family_of(start).body(start)


def latents(body, lengths):
    torch.manual_seed(1)
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), max(lengths), body.described["conv_dim"][-1]), valid


def both(start, lengths, training):
    """Run both models from the same seed; return outputs, gradients by name, own and theirs."""
    body, encoder = load_body(start), load_encoder(start)
    given, valid = latents(body, lengths)
    valid = None if bool(valid.all()) else valid
    body.transformer.train(training)
    encoder.encoder.train(training)
    torch.manual_seed(7)
    own = body.transformer(body.projection(given), valid)
    torch.manual_seed(7)
    theirs = encoder.encoder(encoder.feature_projection(given)[0], attention_mask=valid)[0]
    outputs, gradients = [], []
    for found, module in ((own, body.transformer), (theirs, encoder.encoder)):
        kept = found if valid is None else found[valid]
        kept.square().sum().backward()
        outputs.append(kept.detach())
        gradients.append({name: p.grad for name, p in module.named_parameters()})
    return outputs, gradients


@pytest.mark.parametrize("lengths", [LENGTHS, [20] * 3], ids=["padded", "equal"])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_outputs_and_gradients_are_equal_to_transformers(start, lengths, training, monkeypatch):
    # with torch's own draws: where something is dropped, and in which order, is the same
    monkeypatch.setattr(dropout_module, "dropout", partial(functional.dropout, training=True))
    monkeypatch.setattr(transformer, "attention", functional.scaled_dot_product_attention)
    (own, theirs), (own_grads, their_grads) = both(start, lengths, training)
    assert torch.equal(own, theirs)
    assert own_grads.keys() == their_grads.keys()
    skipped = [name for name, grad in own_grads.items() if grad is None]
    assert bool(skipped) == training, "the seed skips a layer in training"
    for name, grad in own_grads.items():
        if grad is None:
            assert their_grads[name] is None
        else:
            assert torch.equal(grad, their_grads[name]), name


def test_the_dropped_share_of_a_layer_is_that_of_transformers(start):
    """With draws of our own, outputs are as far apart from undropped ones as theirs are."""
    body, encoder = load_body(start), load_encoder(start)
    body.transformer.layerdrop = encoder.config.layerdrop = 0.0
    given, _ = latents(body, [40] * 8)
    hidden = body.projection(given)
    with torch.no_grad():
        plain = body.transformer(hidden, None)
        body.transformer.train()
        encoder.encoder.train()
        apart = [
            float((found - plain).square().mean())
            for _ in range(12)
            for found in (body.transformer(hidden, None), encoder.encoder(hidden)[0])
        ]
    own, theirs = sum(apart[::2]), sum(apart[1::2])
    assert own == pytest.approx(theirs, rel=0.05)


def test_padding_changes_nothing_of_a_clip(start):
    body = load_body(start)
    given, valid = latents(body, LENGTHS)
    together = body.transformer(body.projection(given), valid)
    for row, length in enumerate(LENGTHS):
        alone = body.transformer(body.projection(given[row : row + 1, :length]), None)
        torch.testing.assert_close(together[row, :length], alone[0], rtol=1e-4, atol=1e-5)


def test_defaults_are_those_of_transformers():
    theirs = Wav2Vec2Config()
    for field in fields(TransformerConfig):
        value = getattr(theirs, field.name)
        value = tuple(value) if isinstance(value, list | tuple) else value
        assert field.default == value, field.name


def test_names_and_types_of_old_checkpoints_are_read(start):
    before = load_body(start)
    path = start / "model.safetensors"
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value.half()
        for name, value in load_file(path).items()
    }
    assert sum(name.endswith(("weight_g", "weight_v")) for name in old) == 2
    save_file(old, path)
    after = load_body(start)
    for name, value in after.transformer.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, before.transformer.state_dict()[name].half().float()), name
    assert torch.equal(after.mask_embedding, before.mask_embedding.half().float())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adapter_attn_dim": 16}, "attention adapters .adapter_attn_dim.; expected none"),
        ({"hidden_act": "mish"}, "activation 'mish'; .*gelu"),
        ({"intermediate_size": 33}, "cannot load .*size mismatch"),
    ],
)
def test_what_is_not_known_is_refused_in_one_line(start, change, message):
    described = json.loads((start / "config.json").read_text())
    write_json(start / "config.json", described | change)
    with pytest.raises(InputError, match=message) as caught:
        load_body(start)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("broken", ["missing", "truncated", "no file"])
def test_incomplete_weights_are_refused_in_one_line(start, broken):
    path = start / "model.safetensors"
    if broken == "missing":
        state = load_file(path)
        del state["wav2vec2.encoder.layers.1.attention.k_proj.weight"]
        save_file(state, path)
    elif broken == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.unlink()
    expected = {
        "missing": "lacks 1 weights",
        "truncated": "cannot load",
        "no file": "no model",
    }
    with pytest.raises(InputError, match=expected[broken]) as caught:
        load_body(start)
    assert "\n" not in str(caught.value)


def test_a_fit_does_not_pay_for_imports_that_it_does_not_need():
    code = (
        "import sys; import after_ser.learn.finetune.round, after_ser.core.metrics; "
        "print({'transformers', 'sympy', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
