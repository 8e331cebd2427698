"""Resuming a run: whose lock may be removed, and what is started again; the fit goes on exactly."""

import json
import os
import signal
import subprocess
import sys

import pytest

from after_ser import __main__ as main_module
from after_ser.core.errors import InputError
from after_ser.run import owners as owners_module
from after_ser.run.owners import owners, record_run, runs
from after_ser.tools.resume import SNAKEMAKE_LOCKS, free_folder, resume

OWNER = """
import sys
sys.argv = ["/bin/snakemake", "--configfile", "c.yaml"]
from after_ser.run.owners import record_owner, record_run
record_owner()
record_run("toy")
print("up", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SNAKEMAKE_LOCKS.mkdir(parents=True)
    (SNAKEMAKE_LOCKS / "0.input.lock").write_text("x\n")
    return tmp_path


@pytest.fixture
def snakemake(here):
    child = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "up\n"
    yield child
    child.kill()
    child.wait()


def kill(child):
    child.kill()
    assert child.wait() == -signal.SIGKILL


def change(**changes):
    (owner,) = owners()
    record = json.loads(owner.file.read_text()) | changes
    owner.file.write_text(json.dumps(record))
    return owner.file


def test_a_living_owner_keeps_its_lock(snakemake):
    with pytest.raises(InputError, match=f"still runs .*process {snakemake.pid} on"):
        free_folder()
    assert any(SNAKEMAKE_LOCKS.iterdir())


def test_a_dead_owner_loses_it(snakemake, capsys):
    kill(snakemake)
    free_folder()
    assert not SNAKEMAKE_LOCKS.exists() and not owners()
    assert f"removed the lock of process {snakemake.pid}" in capsys.readouterr().err
    assert resume("", []) == [sys.executable, "-m", "snakemake", "--configfile", "c.yaml",
                              "--rerun-incomplete"]  # fmt: skip


def test_an_owner_elsewhere_keeps_it_dead_or_not(snakemake):
    kill(snakemake)
    file = change(host="elsewhere", machine="other", boot="other")
    with pytest.raises(InputError, match="on elsewhere "):
        free_folder()
    assert any(SNAKEMAKE_LOCKS.iterdir()) and file.exists()


def test_a_machine_that_was_restarted_knows_its_dead(snakemake):
    kill(snakemake)
    if not owners()[0].machine:
        pytest.skip("NOT TESTED: this machine has no identity in /etc/machine-id")
    change(boot="before")
    free_folder()
    assert not SNAKEMAKE_LOCKS.exists()


def test_one_living_among_the_dead_is_enough(snakemake):
    dead = owners_module.FOLDER / "owners" / f"{os.uname().nodename}-1-1.json"
    dead.write_text(owners()[0].file.read_text())
    with pytest.raises(InputError, match="still runs"):
        free_folder()
    assert any(SNAKEMAKE_LOCKS.iterdir())


def test_a_lock_without_a_record_stays(here):
    with pytest.raises(InputError, match="no record .*snakemake --unlock"):
        free_folder()
    assert any(SNAKEMAKE_LOCKS.iterdir())


def test_an_owner_that_ends_normally_leaves_nothing(snakemake):
    snakemake.stdin.close()
    assert snakemake.wait() == 0
    assert not owners() and [run["run"] for run in runs()] == ["toy"]


def test_which_run_goes_on(here, monkeypatch):
    (SNAKEMAKE_LOCKS / "0.input.lock").unlink()
    with pytest.raises(InputError, match="no run .*: none"):
        resume("", [])
    for name in ("one", "two"):
        monkeypatch.setattr(sys, "argv", ["x/snakemake/__main__.py", "--config", f"run={name}"])
        record_run(name)
    assert resume("", [])[3:5] == ["--config", "run=two"]
    assert resume("one", [])[3:5] == ["--config", "run=one"]
    assert resume("", ["--configfile", "c.yaml"])[3:5] == ["--configfile", "c.yaml"]
    with pytest.raises(InputError, match="no run three .*two, one"):
        resume("three", [])
    monkeypatch.setattr(sys, "argv", ["pytest"])
    record_run("four")
    with pytest.raises(InputError, match="four was not started"):
        resume("", [])


@pytest.mark.parametrize(
    ("typed", "run", "given"),
    [
        ([], "", []),
        (["--run", "two"], "two", []),
        (["--configfile", "c.yaml", "--config", "a=1", "b=2"], "",
         ["--configfile", "c.yaml", "--config", "a=1", "b=2"]),
        (["--run", "two", "--cores", "1", "target"], "two", ["--cores", "1", "target"]),
    ],
)  # fmt: skip
def test_the_command_line_is_handed_on(monkeypatch, typed, run, given):
    seen = []
    monkeypatch.setattr(main_module, "resume", lambda *found: seen.append(found) or ["x"])
    monkeypatch.setattr(main_module, "run_command", seen.append)
    monkeypatch.setattr(main_module, "write_report", lambda *_: 0)
    main_module.main(["resume", *typed])
    assert seen[0] == (run, given) and seen[1] == ["x"]
