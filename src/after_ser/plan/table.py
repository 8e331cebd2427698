"""The plan as a table of rules: planned, and beside it what has been done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from after_ser.plan.actual import Actual
from after_ser.plan.cost import Cost
from after_ser.plan.jobs import Job


@dataclass
class Row:
    """Of one rule: jobs, their seconds in all, times their GPUs, times their CPUs, and bytes."""

    rule: str
    jobs: int = 0
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    cpu_seconds: float = 0.0
    disk: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON holds it, rounded."""
        return {
            key: round(value, 1) if isinstance(value, float) else value
            for key, value in asdict(self).items()
        }


def rows_of(jobs: Sequence[Job], costs: Sequence[Cost], jobs_per_gpu: int = 1) -> list[Row]:
    """Return a row per rule, the most expensive one first; a job on a shared GPU has its part."""
    found: dict[str, Row] = {}
    for job, cost in zip(jobs, costs, strict=True):
        row = found.setdefault(job.rule, Row(job.rule))
        row.jobs += 1
        row.seconds += cost.seconds
        row.gpu_seconds += cost.seconds * cost.gpus / jobs_per_gpu
        row.cpu_seconds += cost.seconds * cost.cpus
        row.disk += cost.disk
    return sorted(found.values(), key=lambda row: -row.seconds)


def text_of(rows: Sequence[Row], wall_s: float, done: Mapping[str, Actual], done_s: float) -> str:
    """Return the table in plain text; the columns of what is done only where something is."""
    total = Row("total")
    for row in rows:
        total.jobs += row.jobs
        total.seconds += row.seconds
        total.gpu_seconds += row.gpu_seconds
        total.cpu_seconds += row.cpu_seconds
        total.disk += row.disk
    heads = ["rule", "jobs", "each", "in all", "CPU time", "GPU time", "disk"]
    if done:
        heads += ["done", "took", "in steps", "took / planned"]
    lines = [_cells(row, done) for row in rows]
    last = _cells(total, {})
    last[2] = ""
    if done:
        known = [row for row in rows if row.rule in done]
        planned = sum(row.seconds / row.jobs * done[row.rule].jobs for row in known)
        took = sum(done[row.rule].seconds for row in known)
        steps = sum(done[row.rule].step_seconds for row in known)
        jobs = sum(done[row.rule].jobs for row in known)
        last += [f"{jobs:,}", duration(took), duration(steps), ratio(took, planned)]
    table = [heads, *lines, last]
    widths = [max(len(line[i]) for line in table) for i in range(len(heads))]
    shown = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]
    rule = "-" * max(map(len, shown))
    shown = [shown[0], rule, *shown[1:-1], rule, shown[-1], ""]
    shown.append(f"wall time, planned: {duration(wall_s)}")
    if done:
        whole = sum(one.jobs for one in done.values()) >= total.jobs
        shown.append(
            f"wall time so far, breaks left out: {duration(done_s)}"
            + (f" ({ratio(done_s, wall_s)} of the plan)" if whole else "")
        )
    return "\n".join(shown) + "\n"


def _cells(row: Row, done: Mapping[str, Actual]) -> list[str]:
    cells = [row.rule, f"{row.jobs:,}", duration(row.seconds / max(row.jobs, 1))]
    cells += [duration(row.seconds), duration(row.cpu_seconds)]
    cells += [duration(row.gpu_seconds) if row.gpu_seconds else "–", size(row.disk)]
    if done:
        one = done.get(row.rule, Actual())
        planned = row.seconds / row.jobs * one.jobs
        cells += [f"{one.jobs:,}", duration(one.seconds) if one.jobs else "–"]
        cells += [duration(one.step_seconds) if one.step_seconds else "–"]
        cells += [ratio(one.seconds, planned)]
    return cells


def duration(seconds: float) -> str:
    """Return seconds with a unit that fits: 4.2 s, 15 min, 31 h, 12 d."""
    for most, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < most:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds / 86_400:.1f} d"


def size(number: float) -> str:
    """Return bytes in MB, GB or TB."""
    for most, unit, name in ((1e9, 1e6, "MB"), (1e12, 1e9, "GB")):
        if number < most:
            return f"{number / unit:.1f} {name}"
    return f"{number / 1e12:.1f} TB"


def ratio(took: float, planned: float) -> str:
    """Return took / planned, a dash where one of them is nothing."""
    return f"{took / planned:.2f}" if took and planned else "–"
