"""A disk that is full, and one that must not be written."""

import errno
import os
import subprocess

import pytest

from tests.faults.harness import ROUND, TAPT_LOG, TAPT_STATE, Place

FREE = 64 * 1024  # bytes left when the disk is "full": less than a checkpoint, more than a log


@pytest.fixture
def small_disk(reference, tmp_path):
    """A copy of the reference on a file system of its own, with room for little more."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a small disk has to be mounted, which only root may do")
    target = tmp_path / "disk"
    target.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=192m", "tmpfs", str(target)],
        capture_output=True,
        text=True,
    )
    if made.returncode != 0:
        pytest.skip(f"NOT TESTED: no file system can be mounted here ({made.stderr.strip()})")
    place = Place.copy(reference, target / "run")
    yield place
    place.end_all()
    subprocess.run(["umount", "-l", str(target)], check=True)


def fill(place):
    """Leave FREE bytes; return the file that takes the rest."""
    filler = place.folder.parent / "filler"
    with open(filler, "wb") as handle:
        for _ in range(100):
            status = os.statvfs(place.folder)
            left = status.f_bavail * status.f_frsize - FREE
            try:
                os.posix_fallocate(handle.fileno(), 0, left)
            except OSError as error:  # the job wrote something in between
                assert error.errno == errno.ENOSPC
            else:
                return filler
    raise AssertionError("the job writes faster than the disk is filled")


def test_full_disk_during_tapt(small_disk, reference):
    place = small_disk
    place.forget_tapt()
    run = place.snakemake("--until", "tapt")
    run.job("tapt")
    run.wait_for(lambda: place.steps(TAPT_STATE), "a checkpoint of TAPT")
    filler = fill(place)
    assert run.finish() == 1
    log = place.log(TAPT_LOG)
    assert "error: checkpoint: cannot write" in log + run.output
    assert "and has room" in log + run.output and "Traceback" not in run.output
    saved = place.steps(TAPT_STATE)
    assert saved, "the checkpoint before is still there"
    assert not list((place / TAPT_STATE).glob(".*.part"))
    filler.unlink()
    place.succeed(place.resume())
    assert f"resuming after step {saved[-1]}" in place.log(TAPT_LOG)
    place.complete()
    place.expect_undisturbed(reference)


def test_full_disk_while_latents_are_written(small_disk, reference):
    place = small_disk
    latents = "results/faults/paper/latents/toy/tapt/savee/fold1/seed0"
    place.forget(latents)
    place.forget_round()
    place.forget(f"{ROUND}/labelled.tsv")
    filler = fill(place)
    run = place.snakemake()
    assert run.finish() == 1
    assert "No space left on device" in run.output
    assert not list((place / latents).glob("*"))
    filler.unlink()
    place.succeed(place.resume())
    place.expect_undisturbed(reference)


def test_output_that_must_not_be_written(small_disk, reference):
    place = small_disk
    place.forget_round()
    run = place.snakemake()
    job = run.job("fit_round")
    job.suspend()
    # a whole disk with files open for writing cannot be made read-only, a folder can
    folder = str(place / ROUND)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
    try:
        job.resume()
        assert run.finish() == 1
        # Snakemake's own traceback follows: it cannot write the rule's log there either
        line = "Read-only file system; expected a disk that can be written"
        assert line in run.output.partition("Traceback")[0], run.output[-3500:]
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
    assert not (place / ROUND / "metrics.json").exists()
    place.succeed(place.resume())
    place.expect_undisturbed(reference)
