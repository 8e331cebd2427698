"""A fit that was stopped at any batch, or while scoring, goes on and ends the same to the bit."""

import numpy as np
import pandas as pd
import pytest
import torch
from finetune_clips import CLASSES, CPU, SETTINGS, labels, random_clips, write_latents, write_start
from stopped_training import crash, stop_at, terminate

from after_ser.learn.finetune import round as round_module
from after_ser.learn.finetune.round import read_split, round_identity, run_round
from after_ser.model.latents import Latents
from after_ser.run.environment import CHECKPOINT_MINUTES
from after_ser.run.progress import Progress
from after_ser.run.termination import Termination
from after_ser.run.timing import Stopwatch

#: 9 labelled clips in batches of 4: three a epoch; dropout and crops draw at random.
GIVEN = {**SETTINGS, "max_epochs": 3, "patience": 3, "crop_s": 0.4}
STEPS = 9


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    clips = random_clips(24)
    fold = pd.DataFrame({"utt": clips.utts, "split": ["train"] * 14 + ["val"] * 4 + ["test"] * 6})
    manifest = pd.DataFrame({"utt": clips.utts, "label": labels(24)})
    return {
        "latents": write_latents(root / "latents", clips),
        "what": {
            "split": read_split(fold, manifest),
            "labelled": manifest[:9],
            "start": write_start(root / "start"),
            "previous": None,
            "classes": CLASSES,
            "settings": GIVEN,
            "head_seed": 3,
            "seed_parts": ("fit", "toy"),
        },
    }


def run(world, state=None, **changes):
    what = {**world["what"], **changes}
    with Termination() as termination, Latents(world["latents"]) as latents:
        progress = None
        if state is not None:
            progress = Progress(
                "fit",
                state,
                lambda: round_identity(latents=world["latents"], **what),
                Stopwatch(),
                termination,
            )
        done = run_round(latents=latents, device=CPU, progress=progress, **what)
        if progress is not None:
            progress.finish()
    return done


@pytest.fixture(scope="module")
def undisturbed(world):
    return run(world)


def assert_same(done, undisturbed):
    for name, frame in undisturbed[2].items():
        pd.testing.assert_frame_equal(done[2][name], frame, check_exact=True)
    pd.testing.assert_frame_equal(done[1].history, undisturbed[1].history, check_exact=True)
    weights = undisturbed[0].state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in done[0].state_dict().items())


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_sigterm_loses_no_batch(world, undisturbed, tmp_path, monkeypatch, capsys, step):
    monkeypatch.setenv(CHECKPOINT_MINUTES, "1000")
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        stop_at(patch, step, terminate)
        run(world, tmp_path / "state")
    assert (
        ended.value.code == 143 and f"terminated; step {step} is saved" in capsys.readouterr().err
    )
    made = stop_at(monkeypatch, -1, crash)
    done = run(world, tmp_path / "state")
    assert len(made) == STEPS - step, "no batch is repeated"
    assert f"resuming after step {step}" in capsys.readouterr().err
    assert_same(done, undisturbed)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("minutes", [0, 1000])
def test_a_crash_loses_an_interval(world, undisturbed, tmp_path, monkeypatch, minutes):
    monkeypatch.setenv(CHECKPOINT_MINUTES, str(minutes))
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        stop_at(patch, 6, crash)
        run(world, tmp_path / "state")
    made = stop_at(monkeypatch, -1, crash)
    done = run(world, tmp_path / "state")
    assert len(made) == (STEPS - 5 if minutes == 0 else STEPS)
    assert_same(done, undisturbed)


@pytest.mark.parametrize("restore", ["best", "last"])
def test_sigterm_while_scoring_repeats_no_training(world, tmp_path, monkeypatch, restore):
    changes = {"settings": {**GIVEN, "restore": restore}}
    undisturbed = run(world, **changes)
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        original = round_module.predict

        def predict(model, clips, device, pause=None):
            terminate()
            return original(model, clips, device, pause)

        patch.setattr(round_module, "predict", predict)
        run(world, tmp_path / "state", **changes)
    made = stop_at(monkeypatch, -1, crash)
    assert_same(run(world, tmp_path / "state", **changes), undisturbed)
    assert not made


def test_a_state_of_other_labels_is_not_taken_up(world, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(CHECKPOINT_MINUTES, "0")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        stop_at(patch, 6, crash)
        run(world, tmp_path / "state")
    other = world["what"]["labelled"].assign(label=np.roll(labels(9), 1))
    run(world, tmp_path / "state", labelled=other)
    said = capsys.readouterr().err
    assert "resuming" not in said and "other settings" in said
