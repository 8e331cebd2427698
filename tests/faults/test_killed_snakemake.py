"""Snakemake itself is killed outright while its job goes on; then somebody starts it again."""

import json
import os
import signal

import psutil

from tests.faults.harness import TAPT_LOG, TAPT_STATE
from tests.faults.test_killed_jobs import resumed_after

LOCKS = ".snakemake/locks"


def kill_snakemake_during_tapt(place):
    """Return the job's process, which is still alive."""
    place.forget_tapt()
    run = place.snakemake("--until", "tapt")
    job = run.job("tapt")
    run.wait_for(lambda: place.steps(TAPT_STATE), "a checkpoint of TAPT")
    job.send_signal(signal.SIGSTOP)  # a job in the middle of a long step
    run.process.send_signal(signal.SIGKILL)
    assert run.finish() == -signal.SIGKILL
    assert job.status() == psutil.STATUS_STOPPED and list((place / LOCKS).iterdir())
    return job


def test_the_old_job_notices_saves_and_ends(place, reference):
    job = kill_snakemake_during_tapt(place)
    log = place / TAPT_LOG
    job.send_signal(signal.SIGCONT)
    gone, alive = psutil.wait_procs([job], timeout=60)
    assert gone and not alive
    saved = place.steps(TAPT_STATE)[-1]
    assert f"its Snakemake is gone; step {saved} is saved" in log.read_text()
    output = place.succeed(place.resume())
    assert "removed the lock" in output and "which is dead" in output
    assert resumed_after(log.read_text()) == saved
    place.complete()
    place.expect_undisturbed(reference)


def test_two_never_write_at_once(place, reference):
    old = kill_snakemake_during_tapt(place)
    run = place.resume()
    new = run.job("tapt")
    run.wait_for(lambda: f"waiting for process {old.pid} on" in run.output, "the new job waiting")
    assert old.status() == psutil.STATUS_STOPPED and new.is_running()
    before = place.steps(TAPT_STATE)
    old.send_signal(signal.SIGCONT)
    assert run.finish() == 0, run.output[-3000:]
    assert resumed_after(place.log(TAPT_LOG)) >= before[-1], "it went on from what the old saved"
    place.complete()
    place.expect_undisturbed(reference)


def test_resume_refuses_while_snakemake_lives(place, reference):
    place.forget_tapt()
    run = place.snakemake("--until", "tapt")
    job = run.job("tapt")
    run.wait_for(lambda: place.steps(TAPT_STATE), "a checkpoint of TAPT")
    job.send_signal(signal.SIGSTOP)
    locks = sorted((place / LOCKS).iterdir())
    again = place.resume()
    assert again.finish() == 1 and locks == sorted((place / LOCKS).iterdir())
    (line,) = again.output.splitlines()
    assert line.startswith("error: resume: Snakemake still runs") and str(run.process.pid) in line
    # a second one that does not look at Snakemake's own lock is stopped by the job's
    third = place.snakemake("--until", "tapt", "--nolock")
    assert third.finish() == 1
    assert "another process is writing" in third.output
    assert f"process {job.pid} on {os.uname().nodename}" in third.output
    job.send_signal(signal.SIGCONT)
    assert run.finish() == 0, run.output[-3000:]
    place.succeed(place.resume())
    place.complete()
    place.expect_undisturbed(reference)


def test_resume_refuses_where_it_cannot_know(place):
    (place / LOCKS).mkdir(exist_ok=True)
    lock = place / LOCKS / "0.output.lock"
    lock.write_text("results/faults/tables/table4.tsv\n")
    nobody = place.resume()
    assert nobody.finish() == 1 and lock.exists()
    assert "left no record of itself" in nobody.output and "--unlock" in nobody.output
    assert len(nobody.output.splitlines()) == 1
    owner = place / ".snakemake/after_ser/owners/elsewhere-77-1.json"
    record = {"host": "elsewhere", "machine": "m", "boot": "b", "pid": 77, "arguments": []}
    owner.parent.mkdir(parents=True, exist_ok=True)
    owner.write_text(json.dumps(record))
    other = place.resume()
    assert other.finish() == 1 and lock.exists() and owner.exists()
    assert "process 77 on elsewhere" in other.output
    assert len(other.output.splitlines()) == 1
