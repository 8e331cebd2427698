"""The processes that make each training step together: one, or one per GPU through accelerate.

accelerate is loaded only where there are several.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import signal
import socket
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor, nn

from after_ser.core.errors import InputError
from after_ser.run.termination import EXIT_STATUS

_STOPPED = "stopped"


class Team:
    """The process itself and those it works with; here it is alone."""

    count, number = 1, 0

    def __init__(self, device: torch.device) -> None:
        """`device` is this process's."""
        self.device = device

    @property
    def main(self) -> bool:
        """Whether this is the process that writes."""
        return self.number == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module whose gradients are those of all processes."""
        return module

    def part(self, module: nn.Module, last: bool) -> AbstractContextManager[None]:
        """Return the context of one part of a step; gradients are exchanged after the last one."""
        return nullcontext()

    def backward(self, loss: Tensor, share: float) -> None:
        """Add the gradient of `share` times the loss; over the processes they are summed up."""
        (loss * share).backward()

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        return value

    def any(self, flag: bool) -> bool:
        """Tell whether a flag is set in any process."""
        return flag


class Accelerated(Team):
    """One of several processes on this machine, started by `run_together`."""

    def __init__(self, cpu: bool) -> None:
        """Join the others: by NCCL on GPUs, one each, and by gloo on the CPU."""
        from accelerate import Accelerator, DistributedDataParallelKwargs

        # LayerDrop leaves layers out, and Eq. 2 alone the code book
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self._accelerator = Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=[unused])
        super().__init__(self._accelerator.device)
        self.count = self._accelerator.num_processes
        self.number = self._accelerator.process_index

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module as DistributedDataParallel."""
        wrapped: nn.Module = self._accelerator.prepare_model(module)
        return wrapped

    def part(self, module: nn.Module, last: bool) -> AbstractContextManager[None]:
        """Return the context of one part, which exchanges gradients if it is the last one."""
        if last:
            return nullcontext()
        context: AbstractContextManager[None] = self._accelerator.no_sync(module)
        return context

    def backward(self, loss: Tensor, share: float) -> None:
        """Add `share` times the loss's gradient to that of all processes."""
        # what is exchanged is the mean over processes
        self._accelerator.backward(loss * (share * self.count))

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum over all processes; they all have to ask."""
        total: Tensor = self._accelerator.reduce(value, reduction="sum")
        return total

    def any(self, flag: bool) -> bool:
        """Tell whether the flag is set in any process; they all have to ask."""
        return bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0)

    def leave(self) -> None:
        """Close the connections."""
        self._accelerator.end_training()


def run_together(count: int, cpu: bool, work: Callable[[Team], None]) -> None:
    """Run `work(team)` in `count` new processes, each with the team as it sees it.

    They are forked, so this process must not have computed anything on a GPU. SIGTERM is passed
    on to them; they then have 30 s for the step they are in.

    Raises the InputError of the first that had one, SystemExit where they saved their state and
    ended, and RuntimeError where one failed in another way.
    """
    if importlib.util.find_spec("accelerate") is None:
        raise InputError(
            f"pre-training: {count} processes need the package accelerate, which is not "
            "installed; expected what envs/requirements.txt lists"
        )
    from accelerate import notebook_launcher
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    # the log of a job, which takes the place of stderr, is no file for a crash of the interpreter
    warnings.filterwarnings("ignore", message="Unable to enable fault handler")
    with tempfile.TemporaryDirectory() as made, contextlib.redirect_stdout(io.StringIO()):
        folder = Path(made)
        try:
            notebook_launcher(
                _member, (work, cpu, folder), num_processes=count, use_port=str(_free_port())
            )
        except SignalException:
            raise SystemExit(EXIT_STATUS) from None
        except ChildFailedError as error:
            _raise_reason(folder, {n: one.exitcode for n, one in error.failures.items()})


def _raise_reason(folder: Path, statuses: Mapping[int, int]) -> NoReturn:
    """Raise why processes that ended with these statuses did, the first one's reason first.

    The others fail too, since they have lost a connection.
    """
    for path in sorted(folder.glob("error*")):
        raise InputError(path.read_text(encoding="utf-8"))
    if (folder / _STOPPED).exists():
        raise SystemExit(EXIT_STATUS)
    for number, status in statuses.items():
        if status < 0 and status != -signal.SIGTERM:
            raise RuntimeError(f"process {number} was killed by signal {-status}")
    for path in sorted(folder.glob("failed*"), key=lambda one: one.stat().st_mtime_ns):
        line, _, trace = path.read_text(encoding="utf-8").partition("\n")
        raise RuntimeError(line) from RuntimeError(trace)
    raise RuntimeError(f"processes ended with status {', '.join(map(str, statuses.values()))}")


def _member(work: Callable[[Team], None], cpu: bool, folder: Path) -> None:
    """What each process does; how it ended is left in `folder`, unless it is just done."""
    os.setpgid(0, 0)  # Ctrl-C comes once, from the process above, and not from the terminal too
    if cpu:  # its name need not lead to this machine
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    team = Accelerated(cpu)
    with contextlib.ExitStack() as stack:
        if not team.main:  # the same would be said several times
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stderr(nowhere))
        try:
            work(team)
        except InputError as error:
            (folder / f"error{team.number}").write_text(str(error), encoding="utf-8")
            sys.exit(1)
        except Exception as error:
            reason = " ".join(f"process {team.number}: {type(error).__name__}: {error}".split())
            said = f"{reason}\n{traceback.format_exc()}"
            (folder / f"failed{team.number}").write_text(said, encoding="utf-8")
            sys.exit(1)
        except SystemExit as end:
            if end.code != EXIT_STATUS:
                raise
            (folder / _STOPPED).touch()
            team.leave()
            raise
    team.leave()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
