"""Where a cluster's jobs can run: the nodes of its partitions and their limits.

Two sources: `sinfo` tells what is there, and the partition file of the Slurm plugin
(slurm/partitions.yaml) which partitions may be used and how far. A job has to fit both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from after_ser.core.errors import InputError

#: What `sinfo` is asked for: partition, time limit, MB and CPUs of a node, its devices.
SINFO = ("sinfo", "--noheader", "--exact", "--format=%P|%l|%m|%c|%G")


@dataclass(frozen=True)
class Nodes:
    """Nodes of one kind in a partition: its time limit in minutes, and what one node has."""

    partition: str
    minutes: float = inf
    mem_mb: float = inf
    cpus: float = inf
    gpus: float = inf

    def fits(self, gpus: int, cpus: int, mem_mb: float, minutes: float) -> bool:
        """Tell whether a job of one node with this request can ever start here."""
        return (
            gpus <= self.gpus
            and cpus <= self.cpus
            and mem_mb <= self.mem_mb
            and minutes <= self.minutes
        )

    def __str__(self) -> str:
        """Describe it as it is shown to users."""
        parts = [
            "any number of GPUs" if self.gpus == inf else counted(self.gpus, "GPU"),
            "" if self.cpus == inf else counted(self.cpus, "CPU"),
            "" if self.mem_mb == inf else f"{self.mem_mb:.0f} MB",
            "no time limit" if self.minutes == inf else f"{self.minutes:.0f} min",
        ]
        return f"{self.partition}: {', '.join(part for part in parts if part)}"


def counted(number: float, what: str) -> str:
    """Return "1 GPU", "2 GPUs"."""
    return f"{number:.0f} {what}{'' if number == 1 else 's'}"


def room_to_grow(
    nodes: Sequence[Nodes],
    gpus: int,
    cpus: int,
    least: tuple[float, float],
    wanted: tuple[float, float],
) -> tuple[float, float]:
    """Return what a job that fits with the (MB, minutes) `least` gets of those that are `wanted`.

    As much as nodes of one kind have, of those that come nearest to both; `wanted` itself where
    no nodes are known, `least` where the job fits nowhere.
    """
    if not nodes:
        return wanted
    rooms = [
        (min(kind.mem_mb, wanted[0]), min(kind.minutes, wanted[1]))
        for kind in nodes
        if kind.fits(gpus, cpus, *least)
    ]
    return max(rooms, key=lambda room: (room[0] * room[1], room), default=least)


def nodes_of_sinfo(text: str) -> tuple[list[Nodes], str | None]:
    """Return what the output of SINFO lists, and the default partition (None: there is none)."""
    nodes, default = [], None
    for line in text.splitlines():
        fields = line.strip().split("|")
        if len(fields) != 5:
            continue
        name = fields[0].rstrip("*")
        if fields[0].endswith("*"):
            default = name
        minutes, gpus = _slurm_minutes(fields[1]), _gpus(fields[4])
        nodes.append(Nodes(name, minutes, _at_least(fields[2]), _at_least(fields[3]), gpus))
    return nodes, default


def _at_least(text: str) -> float:
    """Read sinfo's 64000, and 64000+ where nodes differ."""
    return float(text.rstrip("+"))


def _slurm_minutes(text: str) -> float:
    """Read sinfo's [days-][hours:]minutes:seconds, in which 30:00 is half an hour."""
    if text in ("infinite", "n/a"):
        return inf
    days, _, clock = text.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return int(days or 0) * 1440 + seconds / 60


def _gpus(gres: str) -> float:
    """Count GPUs in sinfo's gpu:2, gpu:a100:4(S:0-1),shard:8 or (null)."""
    counts = re.findall(r"(?:^|,)gpu(?::[^:,()]+)?:(\d+)", gres)
    return float(sum(map(int, counts)))


def limits_of_file(content: Any, path: str) -> list[Nodes]:
    """Return the partitions of a partition file that was parsed as YAML, as the plugin reads them.

    Partitions of another cluster are told apart by no more than their name. Raises InputError
    with one line for what the plugin would stumble over.
    """
    from snakemake_executor_plugin_slurm.partitions import PartitionLimits
    from snakemake_interface_common.exceptions import WorkflowError

    partitions = content.get("partitions") if isinstance(content, Mapping) else None
    if not isinstance(partitions, Mapping) or not partitions:
        raise InputError(f"{path}: expected `partitions:` with a partition's limits under its name")
    nodes = []
    for name, given in partitions.items():
        try:
            known = {key: value for key, value in dict(given).items() if "cluster" not in key}
            limits = PartitionLimits(**known)
            cpus = min(limits.max_threads, limits.max_cpus_per_task)
            numbers = (limits.max_runtime, limits.max_mem_mb, cpus, limits.max_gpu)
            nodes.append(Nodes(str(name), *map(float, numbers)))
        except (TypeError, ValueError, WorkflowError) as error:
            raise InputError(
                f"{path}: partitions.{name}: {str(error).splitlines()[0]}; expected limits such as "
                "max_runtime: 1440 (slurm/partitions.yaml)"
            ) from None
    return nodes


def usable(
    present: Sequence[Nodes], allowed: Sequence[Nodes] | None, default: str | None, path: str
) -> list[Nodes]:
    """Return where jobs can go that name no partition themselves.

    `present` is the cluster (empty: unknown), `allowed` the partition file at `path` (None: there
    is none, and jobs go to the `default` partition). Raises InputError where the file names a
    partition that the cluster does not have.
    """
    if allowed is None:
        return [kind for kind in present if default in (None, kind.partition)]
    if not present:
        return list(allowed)
    nodes = []
    for limit in allowed:
        members = [kind for kind in present if kind.partition == limit.partition]
        if not members:
            raise InputError(
                f"{path}: this cluster has no partition {limit.partition}; expected one of "
                f"{', '.join(dict.fromkeys(kind.partition for kind in present))}"
            )
        nodes += [_stricter(kind, limit) for kind in members]
    return nodes


def _stricter(nodes: Nodes, limit: Nodes) -> Nodes:
    return replace(
        nodes,
        minutes=min(nodes.minutes, limit.minutes),
        mem_mb=min(nodes.mem_mb, limit.mem_mb),
        cpus=min(nodes.cpus, limit.cpus),
        gpus=min(nodes.gpus, limit.gpus),
    )


def largest(nodes: Iterable[Nodes], gpus: int) -> Nodes | None:
    """Return the nodes to compare a request with: with its GPUs if any have, then the largest."""
    return max(
        nodes,
        key=lambda kind: (min(kind.gpus, gpus), kind.minutes, kind.mem_mb, kind.cpus),
        default=None,
    )
