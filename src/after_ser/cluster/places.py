"""Where a cluster's jobs can run: the node types of its partitions and their limits.

Two sources: `sinfo` tells what is there, and the partition file of the Slurm plugin
(slurm/partitions.yaml) which partitions may be used and how far. A job has to fit both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from after_ser.errors import InputError

#: What `sinfo` is asked for: partition, time limit, MB and CPUs of a node, its devices.
SINFO = ("sinfo", "--noheader", "--exact", "--format=%P|%l|%m|%c|%G")
#: Keys of a partition in the plugin's file.
_KEYS = frozenset(
    {
        *("max_runtime", "max_mem_mb", "max_mem_mb_per_cpu", "max_cpus_per_task", "max_threads"),
        *("max_nodes", "max_tasks", "max_tasks_per_node", "max_gpu", "available_gpu_models"),
        *("max_cpus_per_gpu", "supports_mpi", "max_mpi_tasks", "available_constraints"),
        *("cluster", "clusters", "slurm_cluster"),
    }
)
_UNITS = {"d": 1440.0, "h": 60.0, "m": 1.0, "s": 1 / 60}


@dataclass(frozen=True)
class Place:
    """A kind of node in a partition: minutes of its time limit, what one node has."""

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
            "any number of GPUs" if self.gpus == inf else _counted(self.gpus, "GPU"),
            "" if self.cpus == inf else _counted(self.cpus, "CPU"),
            "" if self.mem_mb == inf else f"{self.mem_mb:.0f} MB",
            "no time limit" if self.minutes == inf else f"{self.minutes:.0f} min",
        ]
        return f"{self.partition}: {', '.join(part for part in parts if part)}"


def _counted(number: float, what: str) -> str:
    return f"{number:.0f} {what}{'' if number == 1 else 's'}"


def room_to_grow(
    places: Sequence[Place],
    gpus: int,
    cpus: int,
    least: tuple[float, float],
    wanted: tuple[float, float],
) -> tuple[float, float]:
    """Return what a job that fits with the (MB, minutes) `least` gets of those that are `wanted`.

    That of one place, the one that comes nearest to both; `wanted` itself where no place is known,
    `least` where the job fits nowhere.
    """
    if not places:
        return wanted
    rooms = [
        (min(place.mem_mb, wanted[0]), min(place.minutes, wanted[1]))
        for place in places
        if place.fits(gpus, cpus, *least)
    ]
    return max(rooms, key=lambda room: (room[0] * room[1], room), default=least)


def places_of_sinfo(text: str) -> tuple[list[Place], str | None]:
    """Return what the output of SINFO lists, and the default partition (None: there is none)."""
    places, default = [], None
    for line in text.splitlines():
        fields = line.strip().split("|")
        if len(fields) != 5:
            continue
        name = fields[0].rstrip("*")
        if fields[0].endswith("*"):
            default = name
        places.append(
            Place(
                partition=name,
                minutes=_slurm_minutes(fields[1]),
                mem_mb=float(fields[2].rstrip("+")),
                cpus=float(fields[3].rstrip("+")),
                gpus=_gpus(fields[4]),
            )
        )
    return places, default


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


def places_of_file(content: Any, path: str) -> list[Place]:
    """Return the partitions of a partition file that was parsed as YAML.

    Partitions of another cluster are told apart by no more than their name. Raises InputError
    with one line for what the plugin would stumble over.
    """
    partitions = content.get("partitions") if isinstance(content, Mapping) else None
    if not isinstance(partitions, Mapping) or not partitions:
        raise InputError(f"{path}: expected `partitions:` with a partition's limits under its name")
    places = []
    for name, limits in partitions.items():
        where = f"{path}: partitions.{name}"
        if not isinstance(limits, Mapping):
            raise InputError(f"{where}: {limits!r}; expected limits such as max_runtime: 1440")
        unknown = sorted(set(map(str, limits)) - _KEYS)
        if unknown:
            raise InputError(
                f"{where}: unknown key {unknown[0]}; expected one of {', '.join(sorted(_KEYS))}"
            )
        cpus = [limits.get(key, inf) for key in ("max_threads", "max_cpus_per_task")]
        numbers = {
            "mem_mb": limits.get("max_mem_mb", inf),
            "cpus": min((one for one in cpus if _is_number(one)), default=inf),
            "gpus": limits.get("max_gpu", 0),
        }
        for key, value in (*numbers.items(), *(("max_threads", one) for one in cpus)):
            if not _is_number(value):
                raise InputError(f"{where}: {key}: {value!r}; expected a number")
        minutes = _file_minutes(limits.get("max_runtime", inf), where)
        places.append(Place(partition=str(name), minutes=minutes, **numbers))
    return places


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _file_minutes(value: Any, where: str) -> float:
    """Read minutes, 2d12h30m, or [days-]hours:minutes[:seconds], as the plugin does."""
    if _is_number(value):
        return float(value)
    text = str(value).strip()
    if re.fullmatch(r"(\d+[dhms])+", text):
        return sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([dhms])", text))
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if not match or not (match[1] or match[3]):
        raise InputError(f"{where}: max_runtime: {value!r}; expected minutes, or 2d12h, or 1-12:00")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + minutes + seconds / 60


def usable(
    there: Sequence[Place], allowed: Sequence[Place] | None, default: str | None, path: str
) -> list[Place]:
    """Return where jobs can go that name no partition themselves.

    `there` is the cluster (empty: unknown), `allowed` the partition file at `path` (None: there is
    none, and jobs go to the `default` partition). Raises InputError where the file names a
    partition that the cluster does not have.
    """
    if allowed is None:
        return [place for place in there if place.partition == default or default is None]
    if not there:
        return list(allowed)
    names = list(dict.fromkeys(place.partition for place in there))
    found = []
    for limit in allowed:
        nodes = [place for place in there if place.partition == limit.partition]
        if not nodes:
            raise InputError(
                f"{path}: this cluster has no partition {limit.partition}; expected one of "
                f"{', '.join(names)}"
            )
        found += [_stricter(node, limit) for node in nodes]
    return found


def _stricter(node: Place, limit: Place) -> Place:
    return replace(
        node,
        minutes=min(node.minutes, limit.minutes),
        mem_mb=min(node.mem_mb, limit.mem_mb),
        cpus=min(node.cpus, limit.cpus),
        gpus=min(node.gpus, limit.gpus),
    )


def largest(places: Iterable[Place], gpus: int) -> Place | None:
    """Return the place to compare a request with: one with its GPUs if any, then the largest."""
    return max(
        places,
        key=lambda place: (min(place.gpus, gpus), place.minutes, place.mem_mb, place.cpus),
        default=None,
    )
