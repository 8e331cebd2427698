"""What is checked in the main process before the first job is submitted to Slurm.

A request that no node can satisfy would wait in the queue for ever, and polling a database that
is not there would never see a job end.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from after_ser.core.errors import InputError
from after_ser.tools.cluster.nodes import (
    SINFO,
    Nodes,
    counted,
    largest,
    limits_of_file,
    nodes_of_sinfo,
    usable,
)

_TIMEOUT_S = 60


def submitted(workflow: Any) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Yield every job that goes to the cluster, or its group, of a Snakemake workflow's plan.

    As (name, threads, resources).
    """
    groups = {}
    for job in workflow.dag.needrun_jobs():
        group = workflow.dag.get_job_group(job)
        if group is not None:
            groups[group.groupid, group.jobid] = group
        elif not workflow.is_local(job.rule):
            yield f"rule {job.rule.name}", job.threads, job.resources
    for (name, _), group in groups.items():
        yield f"group {name}", group.threads, group.resources


def before_submission(
    settings: Any, jobs: Iterable[tuple[str, int, Mapping[str, Any]]]
) -> list[Nodes]:
    """Check the plugin's settings and every job, and return where jobs can go by themselves.

    `settings` are those of the Slurm plugin, `jobs` as in `check_requests`. Raises InputError.
    """
    check_settings(settings.status_command, settings.array_jobs)
    path = settings.partition_config or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS")
    nodes, present = find_nodes(Path(path) if path else None)
    check_requests(jobs, nodes, present)
    return nodes


def check_settings(status_command: str | None, array_jobs: str | None) -> None:
    """Refuse executor settings that lose jobs. Raises InputError with the switch to use."""
    if array_jobs:
        raise InputError(
            "slurm: array jobs check the wrong task's output in this plugin; expected no "
            "--slurm-array-jobs"
        )
    if status_command != "squeue" and not _has_accounting():
        raise InputError(
            "slurm: this cluster keeps no accounting database, so sacct would never report the "
            "end of a job; expected --slurm-status-command squeue --slurm-no-account"
        )


def _has_accounting() -> bool:
    """Tell whether slurmctld stores jobs in a database; True where that cannot be found out."""
    for line in _output(("scontrol", "show", "config")).splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "AccountingStorageType":
            return not value.strip().endswith("/none")
    return True


def find_nodes(partition_file: Path | None) -> tuple[list[Nodes], list[Nodes]]:
    """Return (where jobs can go by themselves, all there is on the cluster)."""
    present, default = nodes_of_sinfo(_output(SINFO))
    allowed = None
    if partition_file is not None:
        try:
            content = yaml.safe_load(partition_file.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{partition_file}: {reason}; expected a partition file") from None
        allowed = limits_of_file(content, str(partition_file))
    return usable(present, allowed, default, str(partition_file)), present


def _output(command: Sequence[str]) -> str:
    """Return what a command of Slurm prints, "" where there is no such command or it fails."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def check_requests(
    jobs: Iterable[tuple[str, int, Mapping[str, Any]]],
    nodes: Sequence[Nodes],
    present: Sequence[Nodes],
) -> None:
    """Check that every job fits somewhere, given as (name, threads, resources) of attempt 1.

    `nodes` are those that a job goes to which names no slurm_partition; one that does is looked
    for among all that are `present`. Raises InputError that names the first job by name, its
    request and the largest nodes.
    """
    seen: set[tuple[Any, ...]] = set()
    for name, threads, resources in sorted(jobs, key=lambda job: job[0]):
        partition = resources.get("slurm_partition")
        gpus, cpus = _gpus(resources), int(resources.get("cpus_per_task") or threads)
        mem_mb = _number(resources.get("mem_mb_per_cpu")) * cpus or _number(resources.get("mem_mb"))
        minutes = _number(resources.get("runtime"))
        request = (gpus, cpus, mem_mb, minutes, partition)
        if request in seen or resources.get("slurm_cluster") or resources.get("clusters"):
            continue
        seen.add(request)
        among = [n for n in present if n.partition == partition] if partition else list(nodes)
        if partition and present and not among:
            names = ", ".join(dict.fromkeys(kind.partition for kind in present))
            raise InputError(
                f"slurm: {name} is sent to partition {partition}, which this cluster does not "
                f"have; expected one of {names}"
            )
        if among and not any(kind.fits(gpus, cpus, mem_mb, minutes) for kind in among):
            raise InputError(
                f"slurm: {name} asks for {counted(gpus, 'GPU')}, {counted(cpus, 'CPU')}, "
                f"{mem_mb:.0f} MB and {minutes:.0f} min, which no partition has (the largest is "
                f"{largest(among, gpus)}); expected larger limits in slurm/partitions.yaml, or "
                "less by --set-resources (slurm/README.md)"
            )


def _gpus(resources: Mapping[str, Any]) -> int:
    gres = str(resources.get("gres") or "")
    kinds = [part.split(":") for part in gres.split(",") if part.split(":")[0] == "gpu"]
    if kinds:
        return sum(int(kind[-1]) if kind[-1].isdigit() else 1 for kind in kinds)
    return int(_number(resources.get("gpu")))


def _number(value: Any) -> float:
    """Return a resource as a number; what is not known before its input exists counts as 0."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
