"""What a fit must not load, and that what is left out changes no number."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from finetune_clips import CPU, random_clips, write_latents, write_start

from after_ser.learn.adam import Adam
from after_ser.learn.finetune import round as round_module
from after_ser.learn.finetune.batches import Clips, first_frames
from after_ser.learn.finetune.predict import predict
from after_ser.learn.finetune.round import load_clips
from after_ser.model.classifier import start_classifier
from after_ser.model.latents import Latents
from after_ser.model.registry import family_of
from after_ser.run.device import make_deterministic

FIT = """
import sys
import torch
from after_ser.learn.adam import Adam
from after_ser.model.classifier import start_classifier
from after_ser.learn.finetune.round import run_round
from after_ser.run.device import make_deterministic
from pathlib import Path

make_deterministic()
model = start_classifier(Path(sys.argv[1]), ["a", "b"], "mean-relu-linear", 0)
optimiser = Adam([one for one in model.parameters() if one.requires_grad], lr=1e-3)
loss = model(torch.randn(2, 9, 16), torch.tensor([9, 7])).sum()
optimiser.zero_grad()
loss.backward()
optimiser.step()
optimiser.load_state_dict(optimiser.state_dict())
assert torch.are_deterministic_algorithms_enabled()
assert torch.is_deterministic_algorithms_warn_only_enabled()
heavy = {"torch._dynamo", "torch._inductor", "sympy", "transformers", "sklearn", "kneed"}
print(sorted(heavy & set(sys.modules)))
"""
SUBSET = """
import sys
from after_ser.select.initial import random_initial
from after_ser.select.oracle import answer
print(sorted({"sklearn", "kneed", "torch", "scipy"} & set(sys.modules)))
"""


def loaded(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_fit_loads_neither_torchs_compiler_nor_transformers(tmp_path):
    write_start(tmp_path)
    assert loaded(FIT, tmp_path) == "[]"


def test_a_random_subset_loads_no_clustering():
    assert loaded(SUBSET) == "[]"


def test_adam_is_torchs_bit_for_bit():
    make_deterministic()
    found = []
    for kind in (partial(torch.optim.Adam, fused=True), Adam):
        torch.manual_seed(0)
        layer = torch.nn.Linear(7, 5)
        optimiser = kind(layer.parameters(), lr=0.01)
        for _ in range(4):
            optimiser.zero_grad()
            layer(torch.randn(3, 7)).square().sum().backward()
            optimiser.step()
        found.append([layer.weight.detach().clone(), optimiser.state_dict()["state"][0]["exp_avg"]])
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs) and ours.requires_grad is False


def test_adam_is_the_plain_one_within_rounding():
    found = []
    for kind in (torch.optim.Adam, Adam):
        torch.manual_seed(0)
        layer = torch.nn.Linear(70, 50)
        optimiser = kind(layer.parameters(), lr=0.01)
        for _ in range(50):
            optimiser.zero_grad()
            layer(torch.randn(3, 70)).square().sum().backward()
            optimiser.step()
        found.append(layer.weight.detach().clone())
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_a_model_that_is_built_to_be_loaded_draws_nothing(tmp_path):
    write_start(tmp_path)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    body = family_of(tmp_path).body(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(not value.is_meta for value in body.transformer.state_dict().values())


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_latents_that_stay_in_their_file_give_the_same_numbers(precision, tmp_path, monkeypatch):
    clips = random_clips(20)
    clips = Clips(clips.utts, [frames.astype(precision) * 1.0001 for frames in clips.frames])
    size = sum(frames.nbytes for frames in clips.frames)
    folder, start = write_latents(tmp_path / "latents", clips), write_start(tmp_path / "start")
    model = start_classifier(start, ["a", "b"], "mean-relu-linear", 0)
    order = clips.utts[::-1]
    with Latents(folder) as latents:
        monkeypatch.setattr(round_module, "IN_MEMORY", size)
        kept = load_clips(latents, order)
        monkeypatch.setattr(round_module, "IN_MEMORY", size - 1)
        stored = load_clips(latents, order)
    assert isinstance(kept.frames, list) and not isinstance(stored.frames, list)
    assert (stored.lengths() == kept.lengths()).all()
    for a, b in zip(kept.frames, stored.frames, strict=True):
        assert a.dtype == b.dtype == precision and a.shape == b.shape and (a == b).all()
    assert (predict(model, kept, CPU) == predict(model, stored, CPU)).all()
    short = first_frames(stored, 5), first_frames(kept, 5)
    assert short[0].lengths().max() == 5
    np.testing.assert_array_equal(predict(model, short[0], CPU), predict(model, short[1], CPU))
