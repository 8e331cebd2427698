"""Speech that is held out from pre-training: apart, always the same, and without influence."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from selfsupervised_clips import ARCH, LENGTHS, around, settings, write_clips
from stopped_training import stop_at, terminate

from after_ser.judge.figures.pretraining import write_pretraining_figure
from after_ser.learn.tapt.clips import Clip
from after_ser.learn.tapt.objectives.registry import build_objective
from after_ser.learn.tapt.step import MaskedLoss
from after_ser.learn.tapt.train import pretrain
from after_ser.learn.tapt.validation import Validation, hold_out
from after_ser.model.families.conv_encoder import normalise
from after_ser.model.geometry import Geometry
from after_ser.model.scratch import build_scratch
from after_ser.run.atomic import read_tsv, write_json, write_text

SEED = ("backbone", 0)
GIVEN = settings(objective="wav2vec2", steps=6, validations=3, checkpoint_every=2)


def named(speakers, seconds=2.0):
    return [Clip(f"{s}/{i}", "", seconds, f"{s}{i}", s) for s in speakers for i in range(4)]


def test_whole_speakers_are_held_out_where_they_are_small_enough():
    clips = named([f"s{i:02d}" for i in range(20)])
    learnt, held_out, kind = hold_out(clips, 0.1, *SEED)
    heard, others = ({clip.speaker for clip in part} for part in (learnt, held_out))
    assert kind == "speakers" and not heard & others
    assert 0.1 <= len(held_out) / len(clips) <= 0.2
    assert sorted(c.utt for c in learnt + held_out) == sorted(c.utt for c in clips)
    assert hold_out(clips[::-1], 0.1, *SEED)[1] == held_out[::-1], "by name, not by place"
    assert hold_out(clips, 0.1, "backbone", 1)[1] != held_out


@pytest.mark.parametrize("speakers", [["a", "b"], ["a", ""]])
def test_clips_are_held_out_where_speakers_are_large_or_unknown(speakers):
    clips = named(speakers)
    learnt, held_out, kind = hold_out(clips, 0.1, *SEED)
    assert (kind, len(learnt), len(held_out)) == ("clips", 7, 1)
    assert hold_out(clips, 0, *SEED) == (clips, [], "")
    assert hold_out(clips[:1], 0.5, *SEED)[:2] == (clips[:1], [])


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("audio"), LENGTHS)


@pytest.fixture(scope="module")
def trained(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    run(clips[2:], clips[:2], folder)
    return folder / "out"


def run(learnt, held_out, folder, given=GIVEN):
    out, state = folder / "out", folder / "state"
    pretrain(ARCH, learnt, given, SEED, out, state, "cpu", validation=held_out)


def test_the_loss_is_measured_evenly_and_changes_nothing(clips, trained, tmp_path):
    found = read_tsv(trained / "validation.tsv", numeric=("step", "loss", "perplexity"))
    assert list(found["step"]) == [2, 4, 6]
    assert found["loss"].gt(0).all() and found["perplexity"].between(2, 16).all()
    run(clips[2:], [], tmp_path)
    without = tmp_path / "out"
    assert not (without / "validation.tsv").exists()
    for name in ("model.safetensors", "log.tsv"):
        assert (without / name).read_bytes() == (trained / name).read_bytes()


def test_it_is_that_of_the_model_without_dropout(clips, trained):
    """The last line is what the written weights give, however often they are asked."""
    model = build_scratch(ARCH, 0)
    model.load_state_dict(load_file(trained / "model.safetensors"))
    objective = build_objective("wav2vec2", around(model), 0, GIVEN.temperature, ())
    masked = MaskedLoss(around(model.train()), objective, bf16=False)
    geometry = Geometry.of(model.config)
    validation = Validation(clips[:2], GIVEN, geometry, normalise, SEED)
    torch.manual_seed(1)
    first, second = (validation.measure(masked, torch.device("cpu")) for _ in range(2))
    assert first == second and masked.training
    last = read_tsv(trained / "validation.tsv", numeric=("loss",))["loss"].iloc[-1]
    assert first["loss"] == pytest.approx(last, abs=2e-6)
    louder = [replace(clip, utt=f"other{n}") for n, clip in enumerate(clips[:2])]
    assert Validation(louder, GIVEN, geometry, normalise, SEED).measure(masked, torch.device("cpu"))


def test_a_stopped_run_goes_on_with_the_same_lines(clips, trained, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        stop_at(patch, 3, terminate)
        run(clips[2:], clips[:2], tmp_path)
    run(clips[2:], clips[:2], tmp_path)
    for name in ("model.safetensors", "log.tsv", "validation.tsv", "summary.json"):
        assert (tmp_path / "out" / name).read_bytes() == (trained / name).read_bytes()


def test_the_figure_is_the_same_every_time_and_needs_nothing_held_out(trained, tmp_path):
    drawn = []
    for number in range(2):
        write_json(trained / "origin.json", {"held_out": {"clips": 2, "by": "clips"}})
        files = [tmp_path / f"{number}.{kind}" for kind in ("svg", "png")]
        write_pretraining_figure(trained, "toy (test)", *files)
        drawn.append([file.read_bytes() for file in files])
    assert drawn[0] == drawn[1]
    write_text(trained / "validation.tsv", "step\tloss\n")
    write_pretraining_figure(trained, "toy", tmp_path / "none.svg", tmp_path / "none.png")
    assert (tmp_path / "none.png").read_bytes() != drawn[0][1]
