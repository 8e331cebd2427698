"""A run that was stopped goes on as if it had not been: same bytes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from selfsupervised_clips import ARCH, LENGTHS, settings, write_clips
from stopped_training import crash, stop_at, terminate

from after_ser.core.errors import InputError
from after_ser.learn.tapt.train import pretrain
from after_ser.run.lock import exclusive

SEED = ("tapt", "toy", 1, 0)
SAME = ("model.safetensors", "config.json", "log.tsv", "summary.json")
GIVEN = settings(steps=8, checkpoint_every=2, clip_norm=0.5)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("audio"), LENGTHS)


@pytest.fixture(scope="module")
def undisturbed(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    pretrain(ARCH, clips, GIVEN, SEED, folder / "out", folder / "state", "cpu")
    return folder / "out"


def run(clips, folder, given=GIVEN):
    pretrain(ARCH, clips, given, SEED, folder / "out", folder / "state", "cpu")


def assert_same(out, undisturbed):
    for name in SAME:
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes(), name
    timing = json.loads((out / "timing.json").read_text())
    assert timing["attempts"] == 2
    assert not (out.parent / "state").exists()


@pytest.mark.parametrize("step", [3, 8])
def test_after_a_crash(clips, undisturbed, tmp_path, monkeypatch, step):
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        stop_at(patch, step, crash)
        run(clips, tmp_path)
    assert list((tmp_path / "state").glob("step*.pt"))
    assert not (tmp_path / "out").exists()
    run(clips, tmp_path)
    assert_same(tmp_path / "out", undisturbed)


@pytest.mark.parametrize("step", [3, 8])
def test_after_sigterm_the_step_is_saved_and_the_status_143(
    clips, undisturbed, tmp_path, monkeypatch, capsys, step
):
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as exit_:
        stop_at(patch, step, terminate)
        run(clips, tmp_path)
    assert exit_.value.code == 143
    assert [p.name for p in (tmp_path / "state").glob(f"step{step:08d}.*.pt")]
    run(clips, tmp_path)
    assert f"resuming after step {step}" in capsys.readouterr().err
    assert_same(tmp_path / "out", undisturbed)


def test_a_process_killed_outright_frees_its_lock(clips, undisturbed, tmp_path):
    code = (
        "import sys, time; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/tests']\n"
        "from tests.learn.test_tapt_resume import *\n"
        "from after_ser.learn.tapt.clips import Clip\n"
        "import json\n"
        "from pathlib import Path\n"
        "from after_ser.run.progress import Progress\n"
        "original = Progress._save\n"
        "def save(self):\n"
        "    original(self)\n"
        "    time.sleep(60)\n"
        "Progress._save = save\n"
        "run([Clip(*c) for c in json.loads(sys.argv[2])], Path(sys.argv[3]))\n"
    )
    plain = json.dumps([[c.utt, c.path, c.seconds, c.sha256] for c in clips])
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parents[2]), plain, str(tmp_path)],
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while not list((tmp_path / "state").glob("step*.pt")):
            assert child.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        with pytest.raises(InputError, match="another process is writing"):
            run(clips, tmp_path)
    finally:
        child.kill()
        child.wait()
    run(clips, tmp_path)
    assert_same(tmp_path / "out", undisturbed)


def test_a_truncated_checkpoint_is_passed_over_for_the_one_before(
    clips, undisturbed, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        stop_at(patch, 7, crash)
        run(clips, tmp_path)
    before, newest = sorted((tmp_path / "state").glob("step*.pt"))
    newest.write_bytes(newest.read_bytes()[:-100])
    run(clips, tmp_path)
    said = capsys.readouterr().err
    assert "truncated or altered" in said and "resuming after step 4" in said
    assert_same(tmp_path / "out", undisturbed)


def test_a_checkpoint_of_other_settings_is_ignored(clips, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        stop_at(patch, 3, crash)
        run(clips, tmp_path, settings(steps=8, checkpoint_every=2, learning_rate=5e-4))
    run(clips, tmp_path)
    said = capsys.readouterr().err
    assert "other settings" in said and "resuming" not in said
    assert json.loads((tmp_path / "out" / "timing.json").read_text())["attempts"] == 1


def test_checkpoint_interval_is_no_other_setting(clips, undisturbed, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        stop_at(patch, 3, crash)
        run(clips, tmp_path)
    run(clips, tmp_path, settings(steps=8, checkpoint_every=5, clip_norm=0.5))
    assert_same(tmp_path / "out", undisturbed)


def test_a_second_writer_is_refused(clips, tmp_path):
    with (
        exclusive(tmp_path / "state"),
        pytest.raises(InputError, match="another process is writing"),
    ):
        run(clips, tmp_path)


def test_the_handler_of_sigterm_comes_back(clips, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    run(clips, tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before
