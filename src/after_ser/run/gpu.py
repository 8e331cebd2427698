"""One GPU per job on one machine: kernel locks, which a process that dies gives back.

Snakemake counts GPUs (`--resources gpu=N`) but tells no job which one is its own. Each job that
uses a GPU therefore takes a lock on one and makes it the only one that CUDA shows it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from after_ser.core.errors import InputError

VISIBLE = "CUDA_VISIBLE_DEVICES"
#: How many jobs may share a GPU (config: jobs_per_gpu).
SHARING = "AFTER_SER_JOBS_PER_GPU"
#: "1" in a job of a cluster's scheduler, which has already assigned its devices.
SCHEDULED = "AFTER_SER_SCHEDULED"
#: Folder of the locks; by default one of this user in /tmp.
LOCKS = "AFTER_SER_GPU_LOCKS"

_LISTED = re.compile(r"^\s*(GPU|MIG)\b.*\(UUID:\s*([^)\s]+)\)\s*$")
_POLL_S = 0.5
_REMIND_S = 600


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine and the instances it is divided into (MIG), by their UUIDs."""

    uuid: str
    instances: tuple[str, ...] = ()


@dataclass
class Slot:
    """A share of a GPU, or a whole one; the lock is held as long as the files are open."""

    device: str
    files: list[IO[str]] = field(default_factory=list)

    def release(self) -> None:
        """Give it back; the kernel does so when the process ends, however it ends."""
        while self.files:
            self.files.pop().close()


_held: Slot | None = None


def installed_gpus() -> list[Gpu]:
    """Return the NVIDIA GPUs that nvidia-smi lists, in its order; [] where it lists none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        listed = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    gpus: list[tuple[str, list[str]]] = []
    for kind, uuid in (
        match.groups() for match in map(_LISTED.match, listed.splitlines()) if match
    ):
        if kind == "GPU":
            gpus.append((uuid, []))
        elif gpus:
            gpus[-1][1].append(uuid)
    return [Gpu(uuid, tuple(instances)) for uuid, instances in gpus]


def permitted(gpus: Sequence[Gpu], visible: str | None) -> list[str]:
    """Return the UUIDs that CUDA may use, given CUDA_VISIBLE_DEVICES (None: it is not set).

    As CUDA reads it: numbers or beginnings of UUIDs, up to the first that names no device. Numbers
    count in the order of nvidia-smi.
    """
    every = [uuid for gpu in gpus for uuid in (gpu.instances or (gpu.uuid,))]
    if visible is None:
        return every
    allowed: list[str] = []
    for token in (part.strip() for part in visible.split(",")):
        if token.isdecimal() and int(token) < len(gpus):
            gpu = gpus[int(token)]
            names = [*gpu.instances[:1]] or [gpu.uuid]
        else:
            names = [
                uuid
                for uuid in every
                if token.startswith(("GPU-", "MIG-")) and uuid.startswith(token)
            ]
        if len(names) != 1:
            break
        allowed += [name for name in names if name not in allowed]
    return allowed


def usable_gpus(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the UUIDs of the GPUs that this process may use."""
    environment = os.environ if environment is None else environment
    return permitted(installed_gpus(), environment.get(VISIBLE))


def take_gpu(number: int | None = None, count: int = 1) -> Slot | None:
    """Reserve `count` GPUs for this process, waiting while they are taken; None without a GPU.

    Has to come before CUDA is initialised, which reads CUDA_VISIBLE_DEVICES once. `number` chooses
    among the GPUs that are visible now; None is any. A process has one slot: a second call returns
    the first one's. Nothing is taken in a job to which a scheduler gave so many devices and no
    more. Raises InputError where there is no GPU of that number, or fewer than `count`.
    """
    global _held
    if _held is not None:
        return _held
    devices = usable_gpus()
    if number is not None and devices:
        if number >= len(devices):
            raise InputError(
                f"config: device: cuda:{number}, but {len(devices)} GPUs are visible; "
                f"expected at most cuda:{len(devices) - 1}"
            )
        devices = [devices[number]]
    given = os.environ.get(SCHEDULED) == "1" and os.environ.get(VISIBLE) is not None
    if not devices or (given and len(devices) == count):
        return None
    _held = _take(devices, count, int(os.environ.get(SHARING, "1")), lock_folder())
    os.environ[VISIBLE] = _held.device
    print(f"notice: this job uses GPU {_held.device}", file=sys.stderr)
    return _held


def _take(devices: Sequence[str], count: int, sharing: int, folder: Path) -> Slot:
    if count == 1:
        return wait_for_slot(devices, sharing, folder)
    whole = [device for device in devices if not device.startswith("MIG-")]
    if len(whole) < count:
        raise InputError(
            f"config: gpus_per_pretraining: {count}, but {len(whole)} whole GPUs are visible; "
            "expected at most as many"
        )
    taken = Slot("")
    # one job at a time collects several GPUs: two could wait for each other for ever
    with open(folder / "several", "a", encoding="utf-8") as turn:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("notice: waiting for a job that waits for several GPUs too", file=sys.stderr)
            fcntl.flock(turn, fcntl.LOCK_EX)
        for _ in range(count):
            slot = wait_for_slot(whole, sharing, folder)
            whole.remove(slot.device)
            taken.device = ",".join(filter(None, (taken.device, slot.device)))
            taken.files += slot.files
    return taken


def give_gpu_back() -> None:
    """Release this process's slot, e.g. where its GPU turned out not to work."""
    global _held
    if _held is not None:
        _held.release()
    _held = None


def lock_folder() -> Path:
    """Return the folder of the locks, private to this user and the same for all runs here.

    Raises InputError where the name is taken by someone else.
    """
    folder = Path(os.environ.get(LOCKS) or f"/tmp/after-ser-gpu-{os.getuid()}")  # noqa: S108
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
        raise InputError(
            f"gpu: {folder} is not a folder of this user; expected one (set {LOCKS} to another)"
        )
    return folder


def wait_for_slot(
    devices: Sequence[str],
    sharing: int,
    folder: Path,
    sleep: Callable[[float], None] = time.sleep,
) -> Slot:
    """Return a slot on one of `devices`, each of which takes `sharing` jobs; empty ones first.

    A job that shares with none locks the device for itself. Notices say that it waits.
    """
    waited = 0.0
    while True:
        for number in range(sharing):
            for device in devices:
                slot = _try(device, number, sharing, folder)
                if slot is not None:
                    return slot
        if waited % _REMIND_S == 0:
            print(
                f"notice: waiting for a GPU: all {len(devices)} that are visible have their "
                f"{sharing} job{'s' if sharing > 1 else ''} (config: jobs_per_gpu)",
                file=sys.stderr,
            )
        sleep(_POLL_S)
        waited += _POLL_S


def _try(device: str, number: int, sharing: int, folder: Path) -> Slot | None:
    name = re.sub(r"[^A-Za-z0-9-]", "_", device)
    slot = Slot(device)
    wanted = [(folder / name, fcntl.LOCK_EX if sharing == 1 else fcntl.LOCK_SH)]
    if sharing > 1:
        wanted.append((folder / f"{name}.{number}", fcntl.LOCK_EX))
    for path, kind in wanted:
        handle = open(path, "a", encoding="utf-8")  # noqa: SIM115  held for the process's life
        slot.files.append(handle)
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            slot.release()
            return None
    return slot
