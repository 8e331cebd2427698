"""Pre-finetuning and few-shot fits: proportional batches, ln scaling, heads that learn, pairing."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from fewshot_study import ADAPT, EMOTIONS, PREFINETUNE, latents, manifest
from finetune_clips import CPU, random_clips, write_start
from safetensors.torch import load_file
from selfsupervised_clips import load_encoder
from stopped_training import crash, stop_at, terminate

from after_ser.learn.finetune.batches import collate
from after_ser.model.latents import Latents
from after_ser.model.registry import family_of
from after_ser.studies.fewshot import prefinetune as module
from after_ser.studies.fewshot.adapt import SCORES, adapt_speaker
from after_ser.studies.fewshot.draws import draw_tasks
from after_ser.studies.fewshot.multitask import MultiTask
from after_ser.studies.fewshot.optimise import few_shot_training, linear_rate, steps_of
from after_ser.studies.fewshot.prefinetune import prefinetune
from after_ser.studies.fewshot.sources import split_source

FILES = ("config.json", "model.safetensors", "preprocessor_config.json", "heads.safetensors",
         "log.tsv", "summary.json")  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A start, two source corpora of unequal size with other classes, and a target."""
    root = tmp_path_factory.mktemp("study")
    rows = {
        "big": manifest(["s", "t"], 8, ["A", "H", "N", "S"], "b"),
        "small": manifest(["u"], 8, ["anger", "panic"], "m"),
        "target": manifest(["a"], 12),
    }
    stores = {
        name: Latents(latents(root / name, one, number))
        for number, (name, one) in enumerate(rows.items())
    }
    yield write_start(root / "start"), rows, stores, root
    for store in stores.values():
        store.close()


def train(study, out, names=("big", "small"), **changes):
    start, rows, stores, _ = study
    prefinetune(
        start,
        [split_source(name, rows[name], 0.2, 0) for name in names],
        stores,
        {**PREFINETUNE, **changes},
        0,
        out,
        out.parent / f"{out.name}-state",
        "cpu",
    )
    return out


@pytest.fixture(scope="module")
def trained(study, tmp_path_factory):
    return train(study, tmp_path_factory.mktemp("trained") / "both")


def sampler(study, names=("big", "small"), **changes):
    start, rows, stores, _ = study
    sources = [split_source(name, rows[name], 0.2, 0) for name in names]
    return module._Prefinetuning(start, sources, stores, {**PREFINETUNE, **changes}, 0, CPU)


def test_batches_are_in_proportion_to_the_corpora_and_hold_every_clip_once(study):
    run = sampler(study)
    for epoch in (1, 2):
        batches = run._batches(epoch)
        for corpus, source in run.sources.items():
            seen = np.concatenate([part for name, part in batches if name == corpus])
            assert sorted(seen) == list(range(len(source.train)))
        counts = [name for name, _ in batches].count("big"), len(batches)
        assert counts[0] / counts[1] == pytest.approx(48 / 60, abs=0.05)
    order = [name for name, _ in run._batches(1)]
    assert order != [name for name, _ in run._batches(2)]
    assert order != sorted(order), "corpora take turns at random"


def test_the_loss_of_an_ignorant_head_is_one_for_any_number_of_classes(study):
    classes = {"two": ["a", "b"], "seven": list("abcdefg")}
    model = MultiTask(family_of(study[0]).body(study[0]), classes, "test").eval()
    for head in model.heads.values():
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    clips = collate(random_clips(4).frames, CPU)
    for corpus in classes:
        loss = model.loss(*clips, torch.tensor([0, 1, 0, 1]), corpus)
        assert loss.item() == pytest.approx(1.0, abs=1e-6)
    with torch.no_grad():
        model.heads["head-seven"].bias[0] = math.log(3.0)
    by_hand = -math.log(3 / 9) / math.log(7)
    assert model.loss(*clips, torch.zeros(4, dtype=torch.long), "seven").item() == pytest.approx(
        by_hand, abs=1e-6
    )


def test_a_loss_moves_its_own_head_and_the_transformer_and_nothing_else(study):
    model = MultiTask(
        family_of(study[0]).body(study[0]), {"x": ["a", "b"], "y": ["c", "d"]}, "test"
    )
    clips = collate(random_clips(4).frames, CPU)
    model.loss(*clips, torch.tensor([0, 1, 0, 1]), "x").backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert {"heads.head-x.weight", "heads.head-x.bias"} <= moved
    assert any(name.startswith("body.transformer.") for name in moved)
    assert not [name for name in moved if "head-y" in name or "projection" in name]


def test_every_head_is_trained(study, trained):
    """The public code swaps heads in after its optimiser is made; here they must really learn."""
    start, _, stores, _ = study
    heads = load_file(trained / "heads.safetensors")
    classes = {"big": ["A", "H", "N", "S"], "small": ["anger", "panic"]}
    fresh = MultiTask(family_of(start).body(start), classes, "prefinetune", 0).state_dict()
    assert set(heads) == {name for name in fresh if name.startswith("heads.")}
    assert len(heads) == 4
    for name, value in heads.items():
        assert (value - fresh[name]).abs().max() > 1e-3, f"{name} was not trained"


def test_the_encoder_is_trained_and_its_frozen_parts_are_the_start_s(study, trained):
    before, after = load_encoder(study[0]).state_dict(), load_encoder(trained).state_dict()
    assert set(before) == set(after)
    for name, value in before.items():
        same = torch.equal(value, after[name])
        if name.startswith(("feature_extractor", "feature_projection")):
            assert same, f"{name} is frozen"
    assert any(
        not torch.equal(value, after[name])
        for name, value in before.items()
        if name.startswith("encoder.layers")
    )
    summary = json.loads((trained / "summary.json").read_text())
    assert set(summary["sources"]) == {"big", "small"}
    assert summary["sources"]["small"]["val_majority"] == 0.5
    assert not (trained.parent / "both-state").exists()


def test_pre_finetuning_learns_what_can_be_learnt(study, tmp_path):
    out = train(study, tmp_path / "long", max_epochs=12, patience=12, learning_rate=0.02)
    summary = json.loads((out / "summary.json").read_text())["sources"]
    for corpus, head in summary.items():
        assert head["val_accuracy"] > head["val_majority"] + 0.2, corpus


def test_equal_runs_give_equal_bytes_and_a_killed_one_goes_on_where_it_was(
    study, trained, tmp_path, monkeypatch
):
    again = train(study, tmp_path / "again")
    for name in FILES:
        assert (again / name).read_bytes() == (trained / name).read_bytes(), name

    per_epoch = sampler(study).steps_per_epoch
    for step, done, how in (
        (per_epoch + 2, per_epoch, crash),  # the state of the first epoch is left
        (per_epoch + 2, per_epoch + 2, terminate),
    ):
        out = tmp_path / how.__name__
        with monkeypatch.context() as patch, pytest.raises((RuntimeError, SystemExit)):
            stop_at(patch, step, how)
            train(study, out)
        with monkeypatch.context() as patch:
            made = stop_at(patch, -1, crash)
            train(study, out)
        assert made == list(range(done + 1, 3 * per_epoch + 1))
        for name in FILES:
            assert (out / name).read_bytes() == (trained / name).read_bytes(), name


def test_rate_and_steps():
    rates = [linear_rate(step, 20, 0.1) for step in range(20)]
    assert rates[:3] == [0.5, 1.0, 1.0] and rates[-1] == pytest.approx(1 / 18)
    assert all(a >= b for a, b in zip(rates[2:], rates[3:], strict=False))
    assert linear_rate(0, 1, 0.0) == 1.0 and linear_rate(0, 1, 1.0) == 1.0
    assert [steps_of(n, 4) for n in (1, 4, 5)] == [1, 1, 2]


def test_accumulated_batches_are_one_step_of_their_mean():
    weights = []
    for accumulation, size in ((2, 1), (1, 2)):
        torch.manual_seed(0)
        model = torch.nn.Linear(1, 1)
        data = torch.tensor([[1.0], [3.0]])
        training = few_shot_training(
            model, {**PREFINETUNE, "accumulation": accumulation}, name="test", epochs=10,
            seed=("x",), batches=lambda epoch, d=data, s=size: d.split(s),
            loss=lambda x, m=model: (m(x) ** 2).mean(), measure=None, stopping=None,
        )  # fmt: skip
        (step,) = training.batches(1, 0)
        training.step(step)
        weights.append(model.weight.item())
    assert weights[0] == pytest.approx(weights[1])


def adapt(study, start, name="baseline", k=(2, 4), trials=1, **changes):
    _, rows, stores, _ = study
    draws, _ = draw_tasks(rows["target"], "target", ["a"], None, k, trials, 2, None, 0)
    draws["rank"] = draws["rank"].astype(int)
    draws["trial"] = draws["trial"].astype(str)
    settings = {**ADAPT, **changes}
    return adapt_speaker(
        start, name, 0, "a", draws, stores["target"], list(k), settings, ("few", 0), CPU
    )


def test_scores_of_every_task_paired_by_clips(study, trained):
    base = adapt(study, study[0])
    other = adapt(study, trained, "both")
    assert len(base) == len(EMOTIONS) * 2
    for name in ("speaker", "emotion", "k", "trial", "test", "test_positive", "val_labels"):
        assert list(base[name]) == list(other[name])
    assert set(base["test"]) == {36 - 6 - 4} and set(base["val_labels"]) == {6}
    assert not base[SCORES].equals(other[SCORES])
    assert ((base[SCORES] >= 0) & (base[SCORES] <= 1)).all(axis=None)
    pd.testing.assert_frame_equal(base, adapt(study, study[0]))


def test_more_clips_are_learnt_from(study):
    rows = adapt(study, study[0], k=(8,), few=8, few_epochs=12, few_patience=12)
    assert rows["macro_f1"].mean() > 0.8
    assert (rows["epochs"] == 12).all()


def test_epochs_follow_k_and_without_val_the_last_one_is_kept(study):
    _, rows, stores, _ = study
    draws, _ = draw_tasks(rows["target"], "target", ["a"], None, [2, 4], 1, 0, 3, 0)
    draws = draws.assign(rank=draws["rank"].astype(int), trial=draws["trial"].astype(str))
    found = adapt_speaker(study[0], "baseline", 0, "a", draws, stores["target"], [2, 4], ADAPT,
                          ("few", 0), CPU)  # fmt: skip
    assert dict(zip(found["k"], found["epochs"], strict=False)) == {2: 4, 4: 2}
    assert (found["best_epoch"] == found["epochs"]).all() and (found["val_labels"] == 0).all()
    nobody = adapt_speaker(study[0], "baseline", 0, "z", draws, stores["target"], [2], ADAPT,
                           ("few", 0), CPU)  # fmt: skip
    assert nobody.empty and list(nobody.columns) == list(found.columns)


def test_only_the_k_clips_are_trained_on(study, monkeypatch):
    """What is collated in training must be the first k draws and nothing of val or test."""
    from after_ser.studies.fewshot import adapt as adapt_module

    _, rows, stores, _ = study
    draws, _ = draw_tasks(rows["target"], "target", ["a"], None, [2, 4], 1, 2, None, 0)
    draws = draws.assign(rank=draws["rank"].astype(int), trial=draws["trial"].astype(str))
    allowed = draws[(draws["role"] == "train")]
    by_bytes = {stores["target"].frames(utt).tobytes(): utt for utt in rows["target"]["utt"]}
    heard = []

    def spy(frames, device):
        heard.extend(by_bytes[clip.tobytes()] for clip in frames)
        return collate(frames, device)

    monkeypatch.setattr(adapt_module, "collate", spy)
    for k in (2, 4):
        heard.clear()
        adapt_speaker(study[0], "baseline", 0, "a", draws, stores["target"], [k], ADAPT,
                      ("few", 0), CPU)  # fmt: skip
        assert set(heard) == set(allowed.loc[allowed["rank"] < k, "utt"])


def test_a_clip_with_two_roles_is_refused(study):
    _, rows, stores, _ = study
    draws, _ = draw_tasks(rows["target"], "target", ["a"], None, [2], 1, 2, None, 0)
    draws = draws.assign(rank=draws["rank"].astype(int), trial=draws["trial"].astype(str))
    bad = draws[draws["role"] == "train"].iloc[[0]].assign(role="test")
    with pytest.raises(ValueError, match="has two roles"):
        adapt_speaker(study[0], "baseline", 0, "a", pd.concat([draws, bad]), stores["target"], [2],
                      ADAPT, ("few", 0), CPU)  # fmt: skip
