"""A step in parts, one after the other or by several processes, is the step in one.

Where nothing is drawn by part: these models have no dropout.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from selfsupervised_clips import ARCH, GROUP_NORM, LENGTHS, around, settings, write_clips
from stopped_training import stop_at, terminate

from after_ser.core.errors import InputError
from after_ser.learn.tapt.batches import Batches
from after_ser.learn.tapt.masking import negatives_of_part, sample_negatives
from after_ser.learn.tapt.objectives.registry import build_objective
from after_ser.learn.tapt.processes import Team, _raise_reason
from after_ser.learn.tapt.step import MaskedLoss, add_gradients, parts_of
from after_ser.learn.tapt.train import pretrain
from after_ser.learn.training import Training
from after_ser.model.families.conv_encoder import normalise
from after_ser.model.geometry import Geometry
from after_ser.model.scratch import build_scratch
from after_ser.run.atomic import read_tsv
from tests.learn.test_tapt_resume import SEED

STILL = {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}
STILL |= {"feat_proj_dropout": 0.0}
# A job of two processes that is sent SIGTERM in its third step and goes on with three, then one
# whose loss is not finite. Forks are safe as long as nothing has been computed here.
CHILD = """
import json, os, signal, sys, time
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests"]
from after_ser.core.errors import InputError
from after_ser.learn.training import Training
from after_ser.learn.tapt import train
from after_ser.learn.tapt.clips import Clip
from selfsupervised_clips import settings
from tests.learn.test_tapt_parts import ARCH, SEED, STILL, largest_gradient

clips, folder = (json.loads(text) for text in sys.argv[2:])
clips = [Clip(*one) for one in clips]
original = Training.step

def step(self, batch):
    row = original(self, batch)
    if os.environ["RANK"] == "0":
        print("gradient", self.steps, largest_gradient(self), flush=True, file=sys.stderr)
        if os.environ["WORLD_SIZE"] == "2" and self.steps == 2:
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(0.5)  # until the signal has come back from there
    return row

def pretrain(given, processes):
    where = folder + "/out", folder + "/state", "cpu"
    train.pretrain({**ARCH, **STILL}, clips, given, SEED, *where, processes=processes)

Training.step = step
given = settings(steps=6, accumulation=2)
try:
    pretrain(given, 2)
except SystemExit as end:
    print(end.code, os.listdir(folder), *os.listdir(folder + "/state"))
pretrain(given, 3)
try:
    pretrain(settings(learning_rate=1e30), 3)
except InputError as error:
    print(error)
"""


def largest_gradient(training):
    weights = training.optimiser.param_groups[0]["params"]
    return float(max(weight.grad.abs().max() for weight in weights))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("audio"), LENGTHS)


def trained(clips, folder, arch=ARCH, processes=1, **changes):
    given = settings(**{"steps": 8, **changes})
    start = {**arch, **STILL}
    where = folder / "out", folder / "state", "cpu"
    pretrain(start, clips, given, SEED, *where, processes=processes)
    return folder / "out"


def assert_equal(out, other, tolerance=1e-4):
    log, expected = (read_tsv(folder / "log.tsv") for folder in (out, other))
    assert list(log.columns) == list(expected.columns)
    np.testing.assert_allclose(log.astype(float), expected.astype(float), atol=tolerance)


@pytest.mark.parametrize("arch", [ARCH, GROUP_NORM], ids=["layer norm", "group norm"])
@pytest.mark.parametrize("name", ["eq1+eq2", "wav2vec2", "p-tapt"])
def test_the_gradients_of_the_parts_add_up(clips, arch, name):
    model = build_scratch({**arch, **STILL}, 0).train()
    trained = around(model)
    objective = build_objective(name, trained, 0, sizes=(3, 5) if name == "p-tapt" else ())
    objective.freeze(trained)
    batch = Batches(clips, settings(), Geometry.of(model.config), normalise, ("x",)).make(0)
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (*batch.mask.shape, 2), generator=draw)
    batch = replace(batch, targets=labels if name == "p-tapt" else None)
    loss, team = MaskedLoss(trained, objective, False), Team(torch.device("cpu"))
    found = []
    for accumulation in (1, 3):
        model.zero_grad()
        row = add_gradients(loss, loss, parts_of(batch, team, accumulation), team, 2.0)
        assert next(iter(row)) == "loss"
        grads = {key: p.grad.clone() for key, p in loss.named_parameters() if p.grad is not None}
        found.append((row, grads))
        objective.zero_grad()
    (whole, expected), (parts, grads) = found
    assert parts == pytest.approx(whole, abs=1e-5) and parts.keys() == whole.keys()
    assert grads.keys() == expected.keys() and len(grads) > 10
    for key, value in grads.items():
        torch.testing.assert_close(value, expected[key], atol=1e-6, rtol=1e-4, msg=key)


@pytest.mark.parametrize("arch", [ARCH, GROUP_NORM], ids=["layer norm", "group norm"])
@pytest.mark.parametrize("objective", ["eq1+eq2", "wav2vec2"])
def test_a_step_in_parts_is_the_step(clips, tmp_path, arch, objective):
    whole = trained(clips, tmp_path / "1", arch, objective=objective, steps=5)
    for parts in (3, 50):  # 50: a clip each
        changed = {"objective": objective, "accumulation": parts, "steps": 5}
        found = trained(clips, tmp_path / str(parts), arch, **changed)
        assert_equal(found, whole)
        assert (found / "log.tsv").read_bytes() != (whole / "log.tsv").read_bytes(), "it has parts"


class Member(Team):
    def __init__(self, number, count):
        super().__init__(torch.device("cpu"))
        self.number, self.count = number, count


@pytest.mark.parametrize(("processes", "accumulation"), [(1, 1), (1, 2), (2, 2), (3, 1), (9, 2)])
def test_every_clip_is_in_one_part_and_counts_by_its_masked_frames(clips, processes, accumulation):
    batch = Batches(clips, settings(), Geometry((40,), (40,)), normalise, ("x",)).make(0)
    heard, shares = [], []
    for number in range(processes):
        parts = parts_of(batch, Member(number, processes), accumulation)
        assert 1 <= len(parts) <= accumulation
        for part, share in parts:
            assert len(part.utts) <= -(-len(batch.utts) // (processes * accumulation))
            assert part.waveforms.shape[1] == batch.waveforms.shape[1], "padding stays"
            assert share == pytest.approx(
                part.mask_array.sum() / batch.mask_array.sum() if share else 0
            )
            heard += part.utts if share else ()
            shares.append(share)
    assert sorted(heard) == sorted(batch.utts)
    assert sum(shares) == pytest.approx(1)
    assert (shares.count(0) == 9 - len(batch.utts)) if processes == 9 else (0 not in shares)


def test_negatives_of_a_part_are_those_of_the_whole():
    mask = np.random.default_rng(0).uniform(size=(5, 20)) < 0.4
    whole = sample_negatives(mask, 7, "x") % 20
    parts = [negatives_of_part(mask, first, n, 7, "x") for first, n in ((0, 2), (2, 1), (3, 2))]
    for part, clips in zip(parts, (2, 1, 2), strict=True):
        assert part.min() >= 0 and part.max() < 20 * clips
    assert (np.concatenate(parts) % 20 == whole).all()


def test_dropout_is_drawn_anew_for_every_part_and_again_after_a_stop(clips, tmp_path, monkeypatch):
    where = lambda name: (tmp_path / name / "out", tmp_path / name / "state", "cpu")  # noqa: E731
    given = settings(accumulation=3)
    pretrain(ARCH, clips, given, SEED, *where("a"))
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        stop_at(patch, 3, terminate)
        pretrain(ARCH, clips, given, SEED, *where("b"))
    pretrain(ARCH, clips, given, SEED, *where("b"))
    one, two = (tmp_path / name / "out/model.safetensors" for name in "ab")
    assert one.read_bytes() == two.read_bytes()
    batch = Batches(clips, given, Geometry((40,), (40,)), normalise, ("x",)).make(0)
    from after_ser.learn.tapt import step

    seeds = []
    monkeypatch.setattr(step.torch, "manual_seed", seeds.append)
    for part, _ in parts_of(batch, Team(torch.device("cpu")), 3):
        step._seed(part)
    assert len(set(seeds)) == 3


def test_a_checkpoint_is_taken_up_with_other_parts(clips, tmp_path, monkeypatch, capsys):
    whole = trained(clips, tmp_path / "1")
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        stop_at(patch, 3, terminate)
        trained(clips, tmp_path / "2")
    found = trained(clips, tmp_path / "2", accumulation=2)
    assert "resuming after step 3" in capsys.readouterr().err
    assert_equal(found, whole)


def test_one_process_needs_no_accelerate_and_several_say_so(clips, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    trained(clips, tmp_path / "1", steps=2)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="2 processes need the package accelerate"):
        trained(clips, tmp_path / "2", processes=2)


def test_of_several_reasons_the_first_one_is_given(tmp_path):
    (tmp_path / "failed1").write_text("process 1: ValueError: broken\nTraceback: there")
    os.utime(tmp_path / "failed1", (1, 1))
    (tmp_path / "failed0").write_text("process 0: RuntimeError: connection lost\nTraceback")
    with pytest.raises(RuntimeError, match="^process 1: ValueError: broken$") as caught:
        _raise_reason(tmp_path, {0: 1})
    assert "there" in str(caught.value.__cause__)
    with pytest.raises(RuntimeError, match="process 1 was killed by signal 9"):
        _raise_reason(tmp_path, {1: -9})
    (tmp_path / "stopped").touch()
    with pytest.raises(SystemExit, match="143"):
        _raise_reason(tmp_path, {1: 143})
    (tmp_path / "error0").write_text("tapt: no such clip")
    with pytest.raises(InputError, match="^tapt: no such clip$"):
        _raise_reason(tmp_path, {0: 1})


def test_processes_share_a_step_stop_together_and_go_on_in_another_number(
    clips, tmp_path, monkeypatch
):
    pytest.importorskip("accelerate")
    plain = json.dumps([[c.utt, c.path, c.seconds, c.sha256] for c in clips])
    repo, folder = str(Path(__file__).parents[2]), tmp_path / "together"
    folder.mkdir()
    command = [sys.executable, "-c", CHILD, repo, plain, json.dumps(str(folder))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    stopped, refused = done.stdout.splitlines()
    assert stopped.startswith("143 ['state'] ") and "step00000003." in stopped
    assert done.stderr.count("step 3 is saved") == 1, "one process writes"
    assert "resuming after step 3" in done.stderr
    assert refused.startswith("tapt: the loss is ") and "at step 2 " in refused

    original, gradients = Training.step, []

    def step(self, batch):
        row = original(self, batch)
        gradients.append(largest_gradient(self))
        return row

    monkeypatch.setattr(Training, "step", step)
    assert_equal(folder / "out", trained(clips, tmp_path / "alone", steps=6))
    said = [line for line in done.stderr.splitlines() if line.startswith("gradient ")]
    theirs = [float(line.split()[2]) for line in said[:6]]
    np.testing.assert_allclose(theirs, gradients, rtol=1e-2)
    timing = json.loads((folder / "out/timing.json").read_text())
    assert timing["attempts"] == 2 and timing["device"].startswith("3 x ")
    assert not (folder / "state").exists()
