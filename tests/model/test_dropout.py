"""Dropout of our own on a CPU: the right share, the right scale, and draws that a seed repeats."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from after_ser.model.families.wav2vec2_fast import dropout as dropout_module
from after_ser.model.families.wav2vec2_fast.dropout import Dropout, attention, dropout, quicken


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
def test_the_dropped_share_is_the_rate_and_the_others_are_scaled(rate):
    count = 400_003  # not whole draws of four
    found = dropout(torch.ones(count), rate)
    dropped = found == 0
    wanted = round(rate * 65_536) / 65_536
    spread = math.sqrt(wanted * (1 - wanted) / count)
    assert abs(float(dropped.double().mean()) - wanted) < 5 * spread
    assert torch.allclose(found[~dropped], torch.tensor(1 / (1 - wanted)), rtol=1e-6)


def test_values_are_dropped_independently_of_their_neighbours():
    """Four values share a draw, so the distances of one to four are those to look at."""
    dropped = (dropout(torch.ones(400_000), 0.1) == 0).double() - 0.1
    for distance in range(1, 9):
        together = float((dropped[distance:] * dropped[:-distance]).mean())
        assert abs(together) < 5 * 0.09 / math.sqrt(400_000), distance
    for place in range(4):
        assert abs(float(dropped[place::4].mean())) < 5 * 0.3 / math.sqrt(100_000), place


def test_rows_of_a_batch_are_dropped_differently():
    found = dropout(torch.ones(3, 50, 8), 0.3) == 0
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[:, 0], found[:, 1])


def test_a_seed_repeats_the_draws_and_a_saved_generator_goes_on():
    values = torch.randn(7, 11)
    torch.manual_seed(3)
    first, state = dropout(values, 0.4), torch.get_rng_state()
    second = dropout(values, 0.4)
    torch.manual_seed(3)
    assert torch.equal(dropout(values, 0.4), first)
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(dropout(values, 0.4), second)


def test_the_gradient_is_dropped_and_scaled_as_the_values_are():
    values = torch.randn(40, 30, dtype=torch.float64, requires_grad=True)
    found = dropout(values, 0.25)
    found.sum().backward()
    wanted = torch.where(found == 0, 0.0, torch.tensor(1 / 0.75, dtype=torch.float64))
    assert torch.equal(values.grad, wanted)


def test_the_module_drops_in_training_only():
    values = torch.randn(20, 20)
    module = Dropout(0.5)
    assert (module(values) == 0).any()
    assert module.eval()(values) is values
    assert Dropout(0.0)(values) is values
    assert dropout(values, 1e-6) is values, "less than one part in 65,536"
    assert not dropout(values, 1.0).any()
    assert isinstance(module, nn.Dropout), "MC dropout looks for those"


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64])
def test_the_type_stays(kind):
    assert dropout(torch.ones(5, 5, dtype=kind), 0.2).dtype == kind


def masks(batch, length):
    lengths = torch.arange(length - batch + 1, length + 1)
    return (torch.arange(length) < lengths[:, None])[:, None, None]


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_torchs_but_for_what_is_dropped(masked, monkeypatch):
    query, key, value = (torch.randn(3, 2, 9, 4, requires_grad=True) for _ in range(3))
    mask = masks(3, 9) if masked else None
    theirs = scaled_dot_product_attention(query, key, value, mask)
    assert torch.equal(attention(query, key, value, mask, 0.0), theirs)
    drops = []
    monkeypatch.setattr(dropout_module, "dropout", lambda given, rate: drops.append(rate) or given)
    own = attention(query, key, value, mask, 0.3)
    assert drops == [0.3]
    torch.testing.assert_close(own, theirs)
    weights = torch.randn_like(own)
    for mine, other in zip(
        torch.autograd.grad(own, (query, key, value), weights),
        torch.autograd.grad(theirs, (query, key, value), weights),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


def test_attentions_weights_are_dropped():
    """Values are the unit vectors, so that what comes out is the weights themselves."""
    length = 64
    query, key = torch.randn(2, 3, length, 4), torch.randn(2, 3, length, 4)
    value = torch.eye(length).expand(2, 3, length, length)
    plain = scaled_dot_product_attention(query, key, value)
    found = attention(query, key, value, None, 0.25)
    kept = found != 0
    share = 1 - float(kept.double().mean())
    assert abs(share - 0.25) < 5 * math.sqrt(0.25 * 0.75 / found.numel())
    torch.testing.assert_close(found[kept], plain[kept] / 0.75)


def test_quicken_replaces_every_dropout_of_a_model_and_nothing_else():
    inner = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.2))
    model = nn.ModuleList([inner, nn.Dropout(0.7), nn.Dropout1d(0.1)]).eval()
    quicken(model)
    assert [type(one) for one in model] == [nn.Sequential, Dropout, nn.Dropout1d]
    assert (type(inner[1]), inner[1].p, model[1].p) == (Dropout, 0.2, 0.7)
    assert not model[1].training
    names = [name for name, _ in inner.named_parameters()]
    assert names == ["0.weight", "0.bias"]
