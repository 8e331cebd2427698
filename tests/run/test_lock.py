"""One writer at a time, whom to wait for, and what a script does about another one."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from after_ser.core.errors import InputError
from after_ser.run import lock
from after_ser.run.lock import exclusive, one_writer
from after_ser.run.parent import Parent, alive
from after_ser.run.script import run_script
from after_ser.run.termination import Termination

HOLD = """
import sys, time
from pathlib import Path
from after_ser.run.lock import one_writer
with one_writer(Path(sys.argv[1]), "it", sys.argv[2] if len(sys.argv) > 2 else ""):
    print("held", flush=True)
    sys.stdin.readline()
    if len(sys.argv) > 3:
        Path(sys.argv[3]).write_text("theirs")
"""


def holder(path, *more, **environment):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert child.stdout.readline() == "held\n"
    return child


def end(child):
    child.stdin.close()
    child.wait()


def orphan(path, job="", out=None):
    """A holder whose Snakemake has just been killed."""
    code = (
        "import os, subprocess, sys\n"
        "os.environ['AFTER_SER_SNAKEMAKE'] = str(os.getpid())\n"
        "child = subprocess.Popen([sys.executable, '-c', *sys.argv[1:]], stdin=sys.stdin)\n"
        "child.wait()\n"
    )
    main = subprocess.Popen(
        [sys.executable, "-c", code, HOLD, str(path), job, *([str(out)] if out else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert main.stdout.readline() == "held\n"
    main.send_signal(signal.SIGKILL)
    main.wait()
    return main


def test_a_second_writer_is_refused_at_once_and_told_who_writes(tmp_path, monkeypatch):
    child = holder(tmp_path / "state" / "lock")
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waited"))
    try:
        with (
            pytest.raises(InputError, match=f"process {child.pid} on {os.uname().nodename}"),
            exclusive(tmp_path / "state"),
        ):
            pass
    finally:
        end(child)
    with exclusive(tmp_path / "state"):
        pass
    assert not (tmp_path / "state").exists(), "an unused folder does not stay"


def test_a_killed_writer_leaves_no_lock_behind(tmp_path):
    child = holder(tmp_path / "lock")
    child.kill()
    child.wait()
    assert (tmp_path / "lock").exists(), "the file is there, the lock is not"
    with one_writer(tmp_path / "lock", "it") as waited:
        assert waited is None


def test_a_writer_whose_snakemake_is_dead_is_waited_for(tmp_path, capsys):
    main = orphan(tmp_path / "lock")
    found = lock._read(tmp_path / "lock")
    assert found.orphaned and psutil.pid_exists(found.pid)
    closing = subprocess.Popen(  # the orphan ends when its input does
        ["sh", "-c", f"sleep 0.6; kill {found.pid}"]
    )
    with one_writer(tmp_path / "lock", "results/x") as waited:
        assert waited.pid == found.pid
    closing.wait()
    main.stdin.close()
    assert f"waiting for process {found.pid}" in capsys.readouterr().err


def test_a_writer_on_another_machine_is_never_waited_for(tmp_path):
    child = holder(tmp_path / "lock")
    record = json.loads((tmp_path / "lock").read_text())
    dead = {"pid": 1, "started": 0.0}
    (tmp_path / "lock").write_text(json.dumps({**record, "boot": "other", "snakemake": dead}))
    try:
        with pytest.raises(InputError, match="another process"), one_writer(tmp_path / "lock", "x"):
            pass
    finally:
        end(child)


def script(tmp_path, done, module="__main__", **changes):
    given = {
        "rule": "toy",
        "output": ["results/toy/out.tsv"],
        "input": [],
        "params": {"a": 1},
        "log": [str(tmp_path / "toy.log")],
        **changes,
    }
    namespace = {"snakemake": SimpleNamespace(**given), "__name__": module}
    run_script(lambda snakemake: done.append(1), namespace)


def test_a_process_that_a_script_starts_does_not_do_the_job_again(tmp_path, monkeypatch):
    """It imports the script's file, in which Snakemake has put the job."""
    monkeypatch.chdir(tmp_path)
    done = []
    script(tmp_path, done, module="__mp_main__")
    assert done == []
    script(tmp_path, done)
    assert done == [1]


def job_of(tmp_path, monkeypatch):
    """The lock file and the job's name, as a script of `script` has them."""
    seen = []

    def spy(path, what, job=""):
        seen.append((path, job))
        return one_writer(path, what, job)

    monkeypatch.setattr("after_ser.run.script.one_writer", spy)
    script(tmp_path, [])
    return seen[0]


@pytest.mark.parametrize("same", [True, False])
def test_what_an_orphan_has_finished_is_not_done_again(tmp_path, monkeypatch, capsys, same):
    monkeypatch.chdir(tmp_path)
    path, job = job_of(tmp_path, monkeypatch)
    assert not (tmp_path / "results/toy/.locks").exists()
    path.parent.mkdir(parents=True)
    out = tmp_path / "results/toy/out.tsv"
    main = orphan(path, job if same else "another setting", out)
    pid = lock._read(path).pid
    main.stdin.close()  # it writes and ends a moment later
    (tmp_path / "results/toy/.out.1.part.tsv").write_text("half")
    done = []
    script(tmp_path, done)
    said = capsys.readouterr().err
    if f"waiting for process {pid}" in said:
        assert done == ([] if same else [1])
        assert out.read_text() == "theirs" and ("nothing is left" in said) == same
    assert not (tmp_path / "results/toy/.out.1.part.tsv").exists(), "halves are removed"


def test_scripts_of_one_job_exclude_each_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path, job = job_of(tmp_path, monkeypatch)
    path.parent.mkdir(parents=True)
    child = holder(path, job)
    done = []
    try:
        with pytest.raises(SystemExit):
            script(tmp_path, done)
    finally:
        end(child)
    assert not done and "another process is writing results/toy/out.tsv" in capsys.readouterr().err


def test_a_full_disk_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def full(snakemake):
        with open("/dev/full", "w") as handle:
            handle.write("x")

    given = SimpleNamespace(
        rule="toy", output=["results/toy/o"], input=[], params={}, log=[str(tmp_path / "log")]
    )
    with pytest.raises(SystemExit):
        run_script(full, {"snakemake": given})
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line and "make resume" in line
    assert "Traceback" in (tmp_path / "log").read_text()


def test_a_job_notices_that_its_snakemake_is_gone(tmp_path):
    code = (
        "import os, subprocess, sys\n"
        "os.environ['AFTER_SER_SNAKEMAKE'] = str(os.getpid())\n"
        "job = '''import sys, time\\n"
        "from after_ser.run.termination import Termination\\n"
        "with Termination() as termination:\\n"
        "    print(termination.requested, flush=True)\\n"
        "    for _ in range(200):\\n"
        "        time.sleep(0.05)\\n"
        "        if termination.requested:\\n"
        "            print(termination.reason, termination.orphaned, flush=True)\\n"
        "            break\\n'''\n"
        "subprocess.run(['bash', '-c', 'set -e; \\\"$0\\\" -c \\\"$1\\\"; true', "
        "sys.executable, job])\n"
    )
    main = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert main.stdout.readline() == "False\n"
    main.kill()
    main.wait()
    assert main.stdout.readline() == "its Snakemake is gone True\n"


def test_without_a_snakemake_nobody_is_missed(monkeypatch):
    monkeypatch.setenv("AFTER_SER_SNAKEMAKE", "1234567")
    assert not Parent().gone and Parent().record() == {}


def test_a_number_that_is_used_again_is_another_process():
    own = psutil.Process()
    assert alive(own.pid, own.create_time())
    assert not alive(own.pid, own.create_time() - 60)
    child = subprocess.Popen([sys.executable, "-c", ""])
    begun = psutil.Process(child.pid).create_time()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(child.pid, begun), "a zombie"
    child.wait()
    assert not alive(child.pid, begun)


def test_ctrl_c_is_noticed_once_and_obeyed_twice():
    with Termination() as termination:
        os.kill(os.getpid(), signal.SIGINT)
        assert termination.requested and termination.reason == "terminated"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
