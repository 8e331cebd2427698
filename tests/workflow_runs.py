"""Runs of the workflow in temporary folders, shared by the tests that look at them."""

import csv
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pandas as pd
import yaml

from after_ser.config.resolve import resolve
from after_ser.run.atomic import read_tsv

REPO = Path(__file__).parent.parent
TINY = REPO / "tests/config/tiny.yaml"
SPLIT = "results/tiny/paper"
DATASET = f"{SPLIT}/datasets/merged"
AL = f"{SPLIT}/al/paper/toy"
TIMEOUT = 900  # seconds; only a hang takes so long
#: What one more cell may change besides its own files.
SUMMARIES = ("config.yaml", "scores.tsv", "times.tsv", "baseline_", "tables/", "figures/")


@dataclass(frozen=True)
class Run:
    """What a call of Snakemake left on the screen, and its exit status."""

    status: int
    output: str

    @property
    def errors(self) -> str:
        """The lines a user looks at after a failure."""
        return "\n".join(line for line in self.output.splitlines() if "rror" in line)


def command(config: Path, *arguments: str, cores: int = 1) -> list[str]:
    program = [sys.executable, "-m", "snakemake", "--snakefile", str(REPO / "Snakefile")]
    return [*program, "--cores", str(cores), *arguments, "--configfile", str(config)]


def start(directory: Path, config: Path, *arguments: str, cores: int = 1) -> subprocess.Popen[str]:
    """Start Snakemake with `directory` as the checkout that results/ lies in."""
    # a user's own profile must not change what is tested
    environment = {k: v for k, v in os.environ.items() if k != "SNAKEMAKE_PROFILE"}
    directory.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        command(config, *arguments, cores=cores),
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> Run:
    try:
        output, _ = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Run(process.returncode, output)


def snakemake(directory: Path, config: Path, *arguments: str, cores: int = 1) -> Run:
    return finish(start(directory, config, *arguments, cores=cores))


def succeed(directory: Path, config: Path, *arguments: str, cores: int = 2) -> Run:
    run = snakemake(directory, config, *arguments, cores=cores)
    assert run.status == 0, run.output[-4000:]
    return run


def script(name: str) -> ModuleType:
    """Import a script of a rule; its `main` takes what Snakemake would give it."""
    spec = importlib.util.spec_from_file_location(name, REPO / f"workflow/scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tiny() -> dict:
    """The tiny config as a dict, to be changed."""
    return yaml.safe_load(TINY.read_text(encoding="utf-8"))


def write_config(path: Path, config: dict) -> Path:
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def resolved(config: dict) -> dict:
    return resolve(config)


def planned_jobs(output: str) -> dict[str, int]:
    """Jobs by rule, from the job table of a dry run."""
    table = output.split("Job stats:")[1].split("total")[0]
    return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def pending(directory: Path, config: Path, *targets: str) -> dict[str, str]:
    """Files that a run would write, with their rules; nothing is run."""
    run = snakemake(directory, config, *targets, "--summary")
    assert run.status == 0, run.output[-4000:]
    text = run.output[run.output.index("output_file\t") :]
    rows = csv.DictReader(io.StringIO(text), delimiter="\t")
    return {row["output_file"]: row["rule"] for row in rows if row["plan"] == "update pending"}


def beyond_summaries(files) -> set[str]:
    """The files that are no table, figure, config or gathered score."""
    return {file for file in files if not file.removeprefix("results/tiny/").startswith(SUMMARIES)}


def copy_run(source: Path, target: Path) -> Path:
    """Copy a finished run with its time stamps and Snakemake's records."""
    shutil.copytree(source, target, symlinks=True)
    return target


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below results/, by its path relative to `directory`."""
    files = (path for path in (directory / "results").rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(files)}


def stamps(directory: Path) -> dict[str, int]:
    """When every file below results/ was last written, in nanoseconds."""
    files = (path for path in (directory / "results").rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.stat().st_mtime_ns for path in files}


def table(directory: Path, path: str) -> pd.DataFrame:
    return read_tsv(directory / path)


def cpu_seconds(before: os.times_result | None = None) -> float:
    """CPU time of finished child processes: it does not grow when others use the machine."""
    now = os.times()
    spent = now.children_user + now.children_system
    return spent - (before.children_user + before.children_system if before else 0.0)
