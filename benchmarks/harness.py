"""What all figures share: interleaved repetitions, ratios, the machine, and the results' files.

A figure is a module with `measure(setting) -> Figure` and `main(measure)` at its end. Ratios are
taken within each repetition, between neighbours in time, and their median is the result: what else
the machine does hits both sides.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results"
_VERSIONS = (
    "torch",
    "torchaudio",
    "transformers",
    "numpy",
    "snakemake",
    "accelerate",
    "librosa",
    "soxr",
)


@dataclass(frozen=True)
class Setting:
    """How a figure is measured; `quick` proves that it runs, its numbers say nothing."""

    quick: bool
    repeats: int
    threads: int
    sizes: tuple[str, ...]
    data: Path | None
    device: str
    folder: Path


@dataclass(frozen=True)
class Row:
    """One way of doing it: seconds of each repetition, and how often as long the baseline takes."""

    group: str
    name: str
    seconds: list[float]
    ratios: list[float] = field(default_factory=list)
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "group": self.group,
            "name": self.name,
            "seconds": [round(value, 6) for value in self.seconds],
            "median_s": round(statistics.median(self.seconds), 6),
            "ratios": [round(value, 4) for value in self.ratios],
            "ratio": round(statistics.median(self.ratios), 4) if self.ratios else None,
            "note": self.note,
        }


@dataclass
class Figure:
    """What a module has measured. `targets`: (group, name, at least) for ratios."""

    name: str
    title: str
    ratio: str
    rows: list[Row] = field(default_factory=list)
    targets: list[tuple[str, str, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(
        self, group: str, timed: Mapping[str, list[float]], baseline: str, **notes: str
    ) -> None:
        """Add a row for each way; ratios are baseline / way, repetition by repetition."""
        for name, seconds in timed.items():
            ratios = [a / b for a, b in zip(timed[baseline], seconds, strict=True)]
            self.rows.append(Row(group, name, seconds, ratios, notes.get(name, "")))


def interleaved(
    ways: Mapping[str, Callable[[], Any]], repeats: int, warm: bool = True
) -> dict[str, list[float]]:
    """Return the seconds of every repetition of every way, one after the other and then again.

    Each way is run once before anything counts, unless `warm` is False. Garbage is collected
    between, never within.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(-1 if warm else 0, repeats):
        for name, work in ways.items():
            gc.collect()
            gc.disable()
            begun = time.perf_counter()
            try:
                work()
                synchronise()
            finally:
                gc.enable()
            if repeat >= 0:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def synchronise() -> None:
    """Wait for the GPU, where torch is loaded and uses one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def machine(threads: int) -> dict[str, Any]:
    """Return what a number needs beside it: the machine, its cores and load, and versions."""
    versions = {"python": platform.python_version()}
    for name in _VERSIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    gpu = None
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        gpu = torch.cuda.get_device_name()
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": threads,
        "gpu": gpu,
        "load_before": [round(value, 2) for value in os.getloadavg()],
        "versions": versions,
        "allocator": {key: value for key, value in os.environ.items() if key.startswith("MALLOC_")},
    }


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the options that every figure has, and all of them together."""
    parser.add_argument(
        "--quick", action="store_true", help="see that it runs; numbers say nothing"
    )
    parser.add_argument("--repeats", type=int, help="default: 3, or 2 with --quick")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--sizes", nargs="*", choices=["toy", "small", "base"])
    parser.add_argument("--data", type=Path, help="folder with emodb, cremad, ravdess; else noise")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="folder for <figure>.json")
    return parser


def main(measure: Callable[[Setting], Figure]) -> None:
    """Measure one figure in this process, whose allocator and threads are those of a job."""
    given = options(argparse.ArgumentParser()).parse_args()
    _as_a_job(given.threads)
    from after_ser.run.atomic import write_json
    from after_ser.run.device import choose_device, make_deterministic, set_threads

    set_threads(given.threads)
    make_deterministic()
    load = machine(given.threads)["load_before"]
    with tempfile.TemporaryDirectory() as folder:
        figure = measure(
            Setting(
                quick=given.quick,
                repeats=given.repeats or (2 if given.quick else 3),
                threads=given.threads,
                sizes=tuple(given.sizes or (["toy"] if given.quick else ["small", "base"])),
                data=given.data,
                device=str(choose_device(given.device)),
                folder=Path(folder),
            )
        )
    record = {
        "figure": figure.name,
        "title": figure.title,
        "ratio": figure.ratio,
        "quick": given.quick,
        "machine": {**machine(given.threads), "load_before": load},
        "clips": "none" if given.data is None else given.data.name,
        "rows": [row.as_dict() for row in figure.rows],
        "targets": figure.targets,
        "facts": figure.facts,
    }
    # a quick run never replaces numbers that mean something
    out = given.out or (ROOT / "build/benchmarks" if given.quick else RESULTS)
    write_json(out / f"{figure.name}.json", record)
    print(f"{out / figure.name}.json")


def _as_a_job(threads: int) -> None:
    """Do it in a process with the environment of a job, which the allocator reads at its start."""
    if os.environ.get("AFTER_SER_BENCHMARK") == "1":
        return
    from after_ser.run.environment import set_job_environment

    set_job_environment(threads)
    os.environ |= {"AFTER_SER_BENCHMARK": "1", "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, *sys.argv], check=False)
    raise SystemExit(done.returncode)
