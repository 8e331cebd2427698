"""Device choice, thread count and determinism of torch."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import torch

from after_ser.core.errors import InputError
from after_ser.run.gpu import give_gpu_back, take_gpu

_chosen: torch.device | None = None


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`: "auto" is a GPU of this job's own, else the CPU.

    A GPU is taken from the other jobs of this machine before CUDA looks for any (`run.gpu`),
    and is then the only one that is visible; without one, a notice says so. Raises InputError
    where a GPU is asked for by name and none is visible.
    """
    global _chosen
    wanted = torch.device("cuda" if name == "auto" else name)
    if wanted.type == "cuda":
        if torch.cuda.is_initialized():
            return _chosen or wanted
        if take_gpu(wanted.index) is not None:
            wanted = torch.device("cuda")
        if not torch.cuda.is_available():
            give_gpu_back()
            if name != "auto":
                raise InputError(
                    f"config: device: torch sees no GPU for {name}; expected auto or cpu"
                )
            print("notice: no GPU is visible, running on the CPU", file=sys.stderr)
            wanted = torch.device("cpu")
    _chosen = wanted
    return wanted


def several_gpus(name: str, count: int) -> bool:
    """Reserve `count` GPUs for the processes that this one starts, one GPU each.

    CUDA is not initialised. Where there is no GPU at all, "auto" gets a notice and False. Raises
    InputError where there are fewer than `count`.
    """
    take_gpu(count=count)
    visible = torch.cuda.device_count()
    if visible >= count:
        return True
    give_gpu_back()
    if not visible and name == "auto":
        return False
    raise InputError(
        f"config: gpus_per_pretraining: {count}, but torch sees {visible} GPU"
        f"{'' if visible == 1 else 's'}; expected at most as many"
    )


def used_device() -> torch.device:
    """Return the device that was last chosen in this process, the CPU where none was."""
    return _chosen or torch.device("cpu")


def device_name(device: torch.device) -> str:
    """Return the model name of the GPU or CPU, for time tables."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def set_threads(count: int) -> None:
    """Fix torch's thread count: results must not depend on Snakemake's --cores."""
    torch.set_num_threads(count)


def make_deterministic() -> None:
    """Ask torch for deterministic kernels; where a GPU has none, torch warns and continues.

    Called by every job that trains or scores, so here torch is also kept from loading its
    compiler, which nothing uses: that takes over a second, a third of a small fit's start.
    """
    # what torch.use_deterministic_algorithms does besides telling the compiler
    torch._C._set_deterministic_algorithms(True, warn_only=True)
    # filling every new tensor would guard against reading uninitialised memory, at 10 % of the time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    _leave_optimisers_to_python()


def _leave_optimisers_to_python() -> None:
    """Mark the optimisers' methods as already excluded from torch's compiler.

    Their first call would load it to be told so (torch._compile._disable_dynamo, which keeps what
    it has got in this attribute). With another torch that keeps it elsewhere nothing changes.
    """
    for method in vars(torch.optim.Optimizer).values():
        plain = getattr(method, "__wrapped__", None)
        if (
            plain is not None
            and getattr(method, "__module__", "") == torch.optim.Optimizer.__module__
        ):
            plain.__dict__.setdefault("__dynamo_disable", plain)
