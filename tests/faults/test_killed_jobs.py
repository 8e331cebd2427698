"""A job is killed during TAPT, fine-tuning and scoring; `make resume` goes on."""

import re
import signal

import pytest

from tests.faults.harness import FIT_LOG, ROUND, TAPT, TAPT_LOG, TAPT_STATE, died_by

FIT_STATE = f"{ROUND}/state"
EVERY = 10  # steps, checkpoint_every of faults.yaml
SIGNALS = [signal.SIGKILL, signal.SIGTERM]


def resumed_after(log):
    return int(re.search(r"resuming after step (\d+)", log).group(1))


@pytest.mark.parametrize("number", SIGNALS)
def test_during_tapt(place, reference, number):
    place.forget_tapt()
    run = place.snakemake("--until", "tapt")
    job = run.job("tapt")
    run.wait_for(lambda: place.steps(TAPT_STATE), "a checkpoint of TAPT")
    job.send_signal(number)
    assert run.finish() == 1
    assert died_by(run.output, number), run.output[-2000:]
    assert not (place / TAPT / "model.safetensors").exists()
    saved = place.steps(TAPT_STATE)[-1]
    before = place.log(TAPT_LOG)
    reached = max([int(s) for s in re.findall(r"step (\d+) of 60", before)], default=0)
    assert saved < 60 and reached - saved < EVERY
    if number == signal.SIGTERM:
        assert f"tapt: terminated; step {saved} is saved" in before and reached <= saved
    place.succeed(place.resume())
    assert resumed_after(place.log(TAPT_LOG)) == saved, "not a step more is repeated"
    place.complete()
    place.expect_undisturbed(reference)


@pytest.mark.parametrize("number", SIGNALS)
def test_during_fine_tuning(place, reference, number):
    place.forget_round()
    run = place.snakemake()
    job = run.job("fit_round")
    run.wait_for(lambda: place.steps(FIT_STATE)[-1:] > [20], "a state in the third epoch")
    job.send_signal(number)
    assert run.finish() == 1
    assert died_by(run.output, number), run.output[-2000:]
    assert not (place / ROUND / "metrics.json").exists()
    saved = place.steps(FIT_STATE)[-1]
    if number == signal.SIGTERM:
        assert f"fit: terminated; step {saved} is saved" in place.log(FIT_LOG)
    place.succeed(place.resume())
    assert resumed_after(place.log(FIT_LOG)) == saved
    place.expect_undisturbed(reference)


@pytest.mark.parametrize("number", SIGNALS)
def test_during_scoring(place, reference, tmp_path, number):
    place.forget_round()
    pause = tmp_path / "pause"
    pause.mkdir()
    run = place.snakemake(pause=pause)
    job = run.job("fit_round")
    run.wait_for((pause / "reached").exists, "scoring of the pool")
    assert int((pause / "reached").read_text()) == job.pid
    trained = place.steps(FIT_STATE)[-1]
    job.send_signal(number)
    (pause / "go").touch()
    assert run.finish() == 1
    assert died_by(run.output, number), run.output[-2000:]
    assert not (place / ROUND / "pool.tsv").exists()
    place.succeed(place.resume())
    assert resumed_after(place.log(FIT_LOG)) == trained, "the fit itself is not repeated"
    place.expect_undisturbed(reference)
