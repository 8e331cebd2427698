"""GPU slots: what CUDA may use, one process per place, and places that a dead process gives back.

No GPU is needed: nvidia-smi is a script that lists some, the processes and locks are real.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from after_ser.__main__ import main
from after_ser.core.errors import InputError
from after_ser.run import device, gpu
from after_ser.run.environment import gpus_per_pretraining, set_job_environment
from after_ser.run.gpu import Gpu, installed_gpus, permitted, take_gpu

A, B, C = (f"GPU-{letter * 8}-1111-2222-3333-444444444444" for letter in "abc")
LISTED = "".join(f"GPU {n}: Some GPU (UUID: {uuid})\n" for n, uuid in enumerate((A, B, C)))
# holds a slot while it writes down that it entered and left
CONTENDER = """
import json, os, sys, time
from after_ser.run.gpu import take_gpu
slot = take_gpu()
with open(sys.argv[1], "a") as log:
    for what in ("in", "out"):
        line = [time.monotonic(), what, os.environ["CUDA_VISIBLE_DEVICES"], slot.device]
        log.write(json.dumps(line) + chr(10))
        log.flush()
        time.sleep(float(sys.argv[2]))
"""


@pytest.fixture(autouse=True)
def kept_environment():
    """What `set_job_environment` sets is gone after each test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose nvidia-smi prints the text that the returned function is given."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("AFTER_SER_GPU_LOCKS", str(tmp_path / "locks"))
    for name in ("CUDA_VISIBLE_DEVICES", "AFTER_SER_JOBS_PER_GPU", "AFTER_SER_SCHEDULED"):
        # set first, so that what the code under test sets is taken back too
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def lists(text, status=0):
        script = programs / "nvidia-smi"
        script.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {status}\n")
        script.chmod(0o755)

    yield lists
    gpu.give_gpu_back()


def contend(tmp_path, count, sharing=1, hold=0.01):
    """Run `count` processes at once; return their (time, in or out, device) in order of time."""
    log = tmp_path / "log"
    environment = {**os.environ, "AFTER_SER_JOBS_PER_GPU": str(sharing)}
    command = [sys.executable, "-S", "-c", _without_site(CONTENDER), str(log), str(hold)]
    running = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    errors = [process.communicate(timeout=600)[1] for process in running]
    assert [process.returncode for process in running] == [0] * count, errors
    events = sorted(json.loads(line) for line in log.read_text().splitlines())
    assert len(events) == 2 * count and all(event[2] == event[3] for event in events)
    return events, errors


def _without_site(code):
    """The code with the library on its path; -S spares each process the start of site-packages."""
    return f"import sys; sys.path.insert(0, {str(Path(gpu.__file__).parents[2])!r})\n{code}"


def most_at_once(events):
    inside, most = {}, {}
    for _, what, visible, _ in events:
        inside[visible] = inside.get(visible, 0) + (1 if what == "in" else -1)
        most[visible] = max(most.get(visible, 0), inside[visible])
    return most


def test_sixty_processes_never_share_a_gpu_and_all_get_one(tmp_path, machine):
    machine(LISTED)
    events, errors = contend(tmp_path, 60)
    assert most_at_once(events) == {A: 1, B: 1, C: 1}
    assert any("waiting for a GPU" in text for text in errors)


def test_gpus_are_shared_on_demand_and_no_further(tmp_path, machine):
    machine(LISTED.splitlines(keepends=True)[0])
    events, _ = contend(tmp_path, 12, sharing=3, hold=0.2)
    assert most_at_once(events) == {A: 3}


def test_a_job_that_shares_with_none_has_its_gpu_alone(tmp_path, machine):
    machine(LISTED)
    locks = gpu.lock_folder()
    alone = gpu._try(A, 0, 1, locks)
    assert gpu._try(A, 1, 4, locks) is None, "another run's sharing does not concern this job"
    alone.release()
    shared = [gpu._try(A, place, 2, locks) for place in (0, 1)]
    assert all(shared) and gpu._try(A, 0, 1, locks) is None
    for slot in shared:
        slot.release()


def test_a_killed_process_gives_its_gpu_back(tmp_path, machine):
    machine(LISTED.splitlines(keepends=True)[0])
    log = tmp_path / "log"
    command = [sys.executable, "-c", _without_site(CONTENDER), str(log), "60"]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not log.exists() or not log.read_text():
        time.sleep(0.02)
    assert gpu._try(A, 0, 1, gpu.lock_folder()) is None
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert take_gpu().device == A


def test_what_nvidia_smi_says(machine):
    machine(
        "GPU 0: NVIDIA A100 (UUID: GPU-one)\n  MIG 1g.5gb     Device  0: (UUID: MIG-x)\n"
        "  MIG 1g.5gb     Device  1: (UUID: MIG-y)\nGPU 1: NVIDIA A100 (UUID: GPU-two)\n"
    )
    assert installed_gpus() == [Gpu("GPU-one", ("MIG-x", "MIG-y")), Gpu("GPU-two")]
    machine("NVIDIA-SMI has failed because it couldn't communicate with the driver\n", status=9)
    assert installed_gpus() == []
    machine("No devices were found\n")
    assert installed_gpus() == []


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [A, B, C]),
        ("", []),
        ("1", [B]),
        ("2, 0", [C, A]),
        ("1,1", [B]),
        ("0,7,2", [A]),  # CUDA stops at the first that is none
        ("-1", []),
        ("NoDevFiles", []),
        ("GPU-b,GPU-a", [B, A]),
        ("GPU-", []),  # the beginning of more than one
    ],
)
def test_a_list_of_permitted_devices_is_kept_to(visible, expected):
    assert permitted([Gpu(A), Gpu(B), Gpu(C)], visible) == expected


def test_a_number_of_a_divided_gpu_is_its_first_instance():
    divided = [Gpu(A, ("MIG-x", "MIG-y")), Gpu(B)]
    assert permitted(divided, None) == ["MIG-x", "MIG-y", B]
    assert permitted(divided, "0,1") == ["MIG-x", B]
    assert permitted(divided, "MIG-y") == ["MIG-y"]


def test_only_permitted_devices_are_taken(machine, monkeypatch):
    machine(LISTED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    assert take_gpu().device == C and os.environ["CUDA_VISIBLE_DEVICES"] == C
    assert take_gpu() is take_gpu(), "one slot a process"


def test_a_number_chooses_among_the_visible_ones(machine, monkeypatch):
    machine(LISTED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    with pytest.raises(InputError, match="cuda:2, but 2 GPUs"):
        take_gpu(2)
    assert take_gpu(1).device == C


def test_a_schedulers_single_device_is_used_as_it_is(machine, monkeypatch):
    machine(LISTED)
    locks = gpu.lock_folder()
    taken = gpu._try(B, 0, 1, locks)  # as if another job had it: a slot could not be had
    set_job_environment(1, scheduled=True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert take_gpu() is None
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    # several devices in one allocation are dealt out, and so are all of a node that has no limits
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    assert take_gpu().device == C
    taken.release()


def test_without_a_gpu_nothing_is_locked(machine, monkeypatch, capsys):
    machine("No devices were found\n")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose_device("auto") == torch.device("cpu")
    assert "running on the CPU" in capsys.readouterr().err
    assert not (Path(os.environ["AFTER_SER_GPU_LOCKS"])).exists()
    with pytest.raises(InputError, match="no GPU for cuda"):
        device.choose_device("cuda")


def test_a_slot_is_taken_before_cuda_looks(machine, monkeypatch):
    machine(LISTED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    seen = []

    def is_available():
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
        return True

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    assert device.choose_device("cuda:1") == torch.device("cuda")
    assert seen == [C] and device.used_device() == torch.device("cuda")


def test_a_gpu_that_does_not_work_is_given_back(machine, monkeypatch):
    machine(LISTED)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose_device("auto") == torch.device("cpu")
    assert gpu._try(A, 0, 1, gpu.lock_folder()) is not None


def test_the_cpu_needs_no_slot(machine):
    machine(LISTED)
    assert device.choose_device("cpu") == torch.device("cpu")
    assert device.used_device() == torch.device("cpu")
    assert gpu._held is None


def test_a_lock_folder_of_someone_else_is_refused(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    monkeypatch.setenv("AFTER_SER_GPU_LOCKS", str(tmp_path / "link"))
    with pytest.raises(InputError, match="link.*this user"):
        gpu.lock_folder()


def test_as_many_jobs_as_places_and_no_limit_without_a_gpu(tmp_path, machine, capsys):
    config = tmp_path / "some.yaml"
    config.write_text("jobs_per_gpu: 2\n")
    machine(LISTED)
    assert main(["gpu-resources", str(config)]) == 0
    assert capsys.readouterr().out == "--resources gpu=6\n"
    machine("No devices were found\n")
    assert main(["gpu-resources", str(config)]) == 0
    shown = capsys.readouterr()
    assert shown.out == "\n" and "on the CPU" in shown.err
    config.write_text("jobs_per_gpu: many\n")
    assert main(["gpu-resources", str(config)]) == 1


def test_several_gpus_are_taken_together(machine, monkeypatch):
    machine(LISTED)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    other = gpu._try(B, 0, 1, gpu.lock_folder())
    assert device.several_gpus("auto", 2)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == f"{A},{C}"
    assert [gpu._try(one, 0, 1, gpu.lock_folder()) for one in (A, C)] == [None, None]
    gpu.give_gpu_back()
    assert gpu._try(A, 0, 1, gpu.lock_folder()) is not None
    other.release()


def test_fewer_gpus_than_asked_for_are_an_error(machine, monkeypatch, capsys):
    machine(LISTED)
    with pytest.raises(InputError, match="^config: gpus_per_pretraining: 4, but 3"):
        device.several_gpus("auto", 4)
    machine(LISTED + "  MIG 1g Device 0: (UUID: MIG-x)\n")
    with pytest.raises(InputError, match="3, but 2 whole GPUs"):  # C is divided
        device.several_gpus("auto", 3)
    machine("No devices were found\n")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert not device.several_gpus("auto", 2), "the CPU will do"
    with pytest.raises(InputError, match="2, but .* 0 GPUs"):
        device.several_gpus("cuda", 2)


def test_a_schedulers_devices_are_used_together(machine, monkeypatch):
    machine(LISTED)
    set_job_environment(1, scheduled=True, gpus_per_pretraining=2)
    assert gpus_per_pretraining() == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device.several_gpus("auto", 2) and gpu._held is None
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1,2"


PAIR = """
import sys, time
from after_ser.run.gpu import take_gpu
slot = take_gpu(count=2)
with open(sys.argv[1], "a") as log:
    log.write("in ")
    log.flush()
    time.sleep(0.05)
    log.write("out ")
"""


def test_jobs_on_several_gpus_do_not_wait_for_each_other_for_ever(tmp_path, machine):
    machine("".join(LISTED.splitlines(keepends=True)[:2]))
    others = {one: gpu._try(one, 0, 1, gpu.lock_folder()) for one in (A, B)}
    log, said = tmp_path / "log", tmp_path / "said"
    command = [sys.executable, "-S", "-c", _without_site(PAIR), str(log)]
    with open(said, "a") as errors:
        jobs = [subprocess.Popen(command, stderr=errors) for _ in range(6)]
    until = time.monotonic() + 60
    try:
        while said.read_text().count("waiting for") < 6:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert said.read_text().count("waits for several GPUs too") == 5
        others[A].release()  # one job has it now, and no other job may get B
        while (slot := gpu._try(A, 0, 1, gpu.lock_folder())) is not None:
            slot.release()
            time.sleep(0.6)  # longer than between two looks
        others[B].release()
        assert [job.wait(timeout=60) for job in jobs] == [0] * 6
    finally:
        for job in jobs:
            job.kill()
    assert log.read_text().split() == ["in", "out"] * 6, "each had both GPUs for itself"
