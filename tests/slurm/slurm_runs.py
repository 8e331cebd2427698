"""The workflow cut down to 24 jobs, on this machine and through `--profile slurm`."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from workflow_runs import REPO, TIMEOUT, Run, finish, resolved, tiny

from tests.slurm.slurm_cluster import Cluster

STEPS = 150
AL = "results/tiny/paper/al/paper/toy"
TAPT = "results/tiny/paper/tapt/toy/tapt/merged/fold{fold}/seed0"
STATE = "results/tiny/paper/state/tapt/toy/tapt/merged/fold{fold}/seed0"
WAIT_S = 300


def small() -> dict:
    """One corpus, two folds, an iterative and a one-shot arm; every model job asks for a GPU."""
    config = {**tiny(), "device": "auto", "gpus_per_job": 1, "budget": [0.1, 0.25], "figures": {}}
    config["corpora"] = {name: config["corpora"][name] for name in ("toy-emodb", "toy-pretraining")}
    config["datasets"]["merged"]["extra"] = []
    config["tapt"]["tapt"].update(steps=STEPS, checkpoint_every=5)
    config["arms"] = {name: config["arms"][name] for name in ("after", "tapt-random")}
    config["tables"] = {
        "table1": {"dataset": "merged"},
        "table2": {"dataset": "merged", "arm": "after", "budgets": [0.25]},
        "table4": {
            "dataset": "merged",
            "columns": {"Random TAPT+FT": "tapt-random", "AFTER": "after"},
            "budgets": [0.25],
        },
    }
    del config["baselines"]
    resolved(config)
    return config


def on_slurm(directory: Path, config: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `snakemake --profile slurm` in a folder; polling is faster than the profile's."""
    directory.mkdir(parents=True, exist_ok=True)
    link = directory / "slurm"
    if not link.exists():
        link.symlink_to(REPO / "slurm")
    command = ["python", "-m", "snakemake", "--snakefile", str(REPO / "Snakefile")]
    command += ["--profile", "slurm", "--configfile", str(config)]
    command += ["--slurm-init-seconds-before-status-checks", "1", *arguments]
    return subprocess.Popen(
        command,
        cwd=directory,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def environment() -> dict[str, str]:
    """The environment with this Python first, and without a user's own profile."""
    import sys

    found = {k: v for k, v in os.environ.items() if not k.startswith(("SNAKEMAKE_", "SLURM_"))}
    return {**found, "PATH": f"{Path(sys.executable).parent}:{found['PATH']}"}


def run_on_slurm(directory: Path, config: Path, *arguments: str) -> Run:
    return finish(on_slurm(directory, config, *arguments))


def wait_for(what: str, found: Callable[[], object], within_s: float = WAIT_S):
    """Return what `found` returns once it is true."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    raise TimeoutError(f"{what}: not within {within_s} s")


def trainer(directory: Path, script: str, job: str) -> int | None:
    """The process that runs a workflow script in this folder for one Slurm job."""
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().decode().split("\0")
            mine = Path(os.readlink(entry / "cwd")) == directory.resolve()
            values = (entry / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        runs = len(command) > 1 and command[1].endswith(script)
        if mine and runs and f"SLURM_JOB_ID={job}".encode() in values:
            return int(entry.name)
    return None


def job_of(cluster: Cluster, rule: str, fold: int, state: str) -> dict[str, str] | None:
    """The newest job of a rule and fold that is in this state."""
    for job in reversed(cluster.jobs()):
        words = job["Comment"].split("_") if "Comment" in job else []
        if job["rule"] == rule and str(fold) in words and job["JobState"] == state:
            return job
    return None


assert TIMEOUT > WAIT_S
