"""`python -m after_ser plan CONFIG`: jobs, hours and disk per rule; after a run, what it took."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from after_ser.core.errors import InputError
from after_ser.core.paths import Paths
from after_ser.run.atomic import read_json, write_json
from after_ser.run.gpu import usable_gpus
from after_ser.tools.cluster.nodes import counted
from after_ser.tools.cluster.requests import Requests
from after_ser.tools.cluster.rules import GPU_FLOPS
from after_ser.tools.plan.calibration import Speeds, calibrate, what_is_measured
from after_ser.tools.plan.jobs import planned_jobs
from after_ser.tools.plan.schedule import cost_of, wall_seconds
from after_ser.tools.plan.table import finished_jobs, rows_of, text_of

SNAKEFILE = Path("Snakefile")


def add_plan(commands: Any) -> None:
    """Add the command to those of `python -m after_ser`."""
    parser = commands.add_parser("plan", help="show jobs, hours and disk per rule before a run")
    parser.add_argument("configfile", type=Path)
    parser.add_argument("--gpus", type=int, help="GPUs of the run; default: those of this machine")
    parser.add_argument(
        "--cores", type=int, help="CPU cores of the run; default: those of this machine"
    )
    parser.add_argument(
        "--calibrate", action="store_true", help="measure the speed of this machine again"
    )
    parser.set_defaults(run_command=_run)


def plan(given: argparse.Namespace, snakefile: Path = SNAKEFILE) -> str:
    """Return the table; plan.json in the run's folder keeps it, and what was measured for it.

    Raises InputError for a config that Snakemake refuses or numbers that cannot be.
    """
    for name in ("gpus", "cores"):
        value = getattr(given, name)
        if value is not None and value < (1 if name == "cores" else 0):
            raise InputError(f"plan: {name} {value}; expected a whole number above 0")
    config, jobs = planned_jobs(snakefile, given.configfile)
    kept = Path(Paths(config["run"]).run, "plan.json")
    speeds = _speeds(config, kept, given.calibrate, given.gpus)
    gpus = _gpus(speeds, given.gpus)
    cores = given.cores or os.cpu_count() or 1
    requests = Requests(config)
    costs = [cost_of(requests, speeds, job.rule, job.wildcards) for job in jobs]
    rows = rows_of(jobs, costs, config["jobs_per_gpu"])
    wall_s = wall_seconds(jobs, costs, cores, gpus * config["jobs_per_gpu"])
    done, done_s = finished_jobs(jobs)
    record = {
        "config": str(given.configfile),
        "cores": cores,
        "gpus": gpus,
        "machine": _machine(),
        "measured": what_is_measured(config),
        "speeds": asdict(speeds),
        "wall_s": round(wall_s, 1),
        "rules": [row.as_dict() for row in rows],
    }
    if not speeds.assumed:
        write_json(kept, record)
    heading = _heading(config["run"], speeds, cores, gpus)
    if gpus and config["jobs_per_gpu"] > 1:
        heading += (
            f"{config['jobs_per_gpu']} jobs share a GPU; each is taken to be as fast as alone, and "
            "its GPU time to be its share\n\n"
        )
    return heading + text_of(rows, wall_s, done, done_s)


def _speeds(config: Mapping[str, Any], kept: Path, again: bool, gpus: int | None) -> Speeds:
    """Return what was measured for the same work on this machine, or measure it now."""
    if kept.is_file() and not again:
        record = read_json(kept)
        names = {field.name for field in fields(Speeds)}
        same = {"machine": _machine(), "measured": what_is_measured(config)}
        if same.items() <= record.items() and set(record["speeds"]) == names:
            speeds = Speeds(**record["speeds"])
            print(f"notice: speeds as measured before ({kept})", file=sys.stderr)
            return _with_gpus(speeds, gpus)
    print("notice: measuring the speed of this device, about a minute", file=sys.stderr)
    return _with_gpus(calibrate(config), gpus)


def _machine() -> dict[str, Any]:
    """Return what speeds hold for: results/ may lie on a disk that other machines see, too."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cpu = names[0] if names else platform.processor()
    return {"cpu": cpu, "cores": os.cpu_count(), "gpus": sorted(usable_gpus())}


def _with_gpus(speeds: Speeds, gpus: int | None) -> Speeds:
    """Return speeds of a GPU where some are asked for, assumed where this machine has none."""
    if not gpus or speeds.gpu:
        return speeds
    print(
        f"notice: this machine has no GPU to measure: {GPU_FLOPS / 1e12:g} TFLOP/s are assumed, "
        "half of what a V100 does; plan on the machine with the GPUs to have its own speed",
        file=sys.stderr,
    )
    kinds = dict.fromkeys(("tapt", "fit", "score", "cnn"), GPU_FLOPS)
    return Speeds(**{**asdict(speeds), **kinds, "device": "a GPU", "gpu": True, "assumed": True})


def _gpus(speeds: Speeds, wanted: int | None) -> int:
    if not speeds.gpu:
        return 0
    if wanted is not None:
        return wanted
    return max(1, len(usable_gpus()))


def _heading(run: str, speeds: Speeds, cores: int, gpus: int) -> str:
    where = counted(cores, "core") + (f", {counted(gpus, 'GPU')}" if gpus else "")
    unit = 1e12 if speeds.gpu else 1e9
    kinds = {"TAPT": speeds.tapt, "fine-tuning": speeds.fit, "scoring": speeds.score}
    kinds["CNN"] = speeds.cnn
    measured = ", ".join(f"{name} {value / unit:.3g}" for name, value in kinds.items())
    name = "TFLOP/s" if speeds.gpu else "GFLOP/s"
    how = "assumed" if speeds.assumed else "measured"
    return (
        f"Plan of run {run} on {where} ({speeds.device}, {counted(speeds.threads, 'thread')} "
        f"a job)\n{how}, {name}: {measured}; start of a job "
        f"{speeds.start_s:.1f} s, with transformers {speeds.start_transformers_s:.1f} s\n\n"
    )


def _run(given: argparse.Namespace) -> int:
    print(plan(given), end="")
    return 0
