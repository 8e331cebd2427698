"""The plan as a table of rules: planned, and beside it what has been done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from tabulate import SEPARATING_LINE, tabulate

from after_ser.tools.plan.jobs import PlannedJob
from after_ser.tools.plan.schedule import Cost


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


def rows_of(jobs: Sequence[PlannedJob], costs: Sequence[Cost], jobs_per_gpu: int = 1) -> list[Row]:
    """Return a row per rule, the most expensive one first; a job on a shared GPU has its part."""
    by_rule: dict[str, Row] = {}
    for job, cost in zip(jobs, costs, strict=True):
        row = by_rule.setdefault(job.rule, Row(job.rule))
        row.jobs += 1
        row.seconds += cost.seconds
        row.gpu_seconds += cost.seconds * cost.gpus / jobs_per_gpu
        row.cpu_seconds += cost.seconds * cost.cpus
        row.disk += cost.disk
    return sorted(by_rule.values(), key=lambda row: -row.seconds)


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
    lines, last = [_planned(row) for row in rows], _planned(total)
    last[2] = ""
    if done:
        heads += ["done", "took", "in steps", "took / planned"]
        took = [(done.get(row.rule, Actual()), row.seconds / row.jobs) for row in rows]
        lines = [line + _took([pair]) for line, pair in zip(lines, took, strict=True)]
        last += _took(took)
    table = tabulate(
        [*lines, SEPARATING_LINE, last],
        heads,
        disable_numparse=True,
        colalign=("left", *["right"] * (len(heads) - 1)),
    )
    text = f"{table}\n\nwall time, planned: {duration(wall_s)}\n"
    if done:
        whole = sum(actual.jobs for actual in done.values()) >= total.jobs
        text += f"wall time so far, breaks left out: {duration(done_s)}"
        text += f" ({ratio(done_s, wall_s)} of the plan)\n" if whole else "\n"
    return text


def _planned(row: Row) -> list[str]:
    return [
        row.rule,
        f"{row.jobs:,}",
        duration(row.seconds / max(row.jobs, 1)),
        duration(row.seconds),
        duration(row.cpu_seconds),
        duration(row.gpu_seconds) if row.gpu_seconds else "–",
        size(row.disk),
    ]


def _took(rules: Sequence[tuple[Actual, float]]) -> list[str]:
    """Return the columns of finished jobs; `rules` are (what was done, planned seconds per job)."""
    jobs = sum(actual.jobs for actual, _ in rules)
    took = sum(actual.seconds for actual, _ in rules)
    steps = sum(actual.step_seconds for actual, _ in rules)
    planned = sum(actual.jobs * each for actual, each in rules)
    return [
        f"{jobs:,}",
        duration(took) if jobs else "–",
        duration(steps) if steps else "–",
        ratio(took, planned),
    ]


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
    """Return took / planned, or a dash where one of them is 0."""
    return f"{took / planned:.2f}" if took and planned else "–"


@dataclass
class Actual:
    """Of one rule: finished jobs, their seconds in all, and those inside of their steps."""

    jobs: int = 0
    seconds: float = 0.0
    step_seconds: float = 0.0


def finished_jobs(jobs: Sequence[PlannedJob]) -> tuple[dict[str, Actual], float]:
    """Return what each rule's finished jobs took, and the seconds in which any of them ran.

    A job took from its start to its last output; breaks between two calls of Snakemake do not
    count.
    """
    by_rule: dict[str, Actual] = {}
    running_s, until = 0.0, float("-inf")
    finished = [(*job.ran, job) for job in jobs if job.ran]
    for begun, ended, job in sorted(finished, key=lambda span: span[:2]):
        actual = by_rule.setdefault(job.rule, Actual())
        actual.jobs += 1
        actual.seconds += ended - begun
        actual.step_seconds += job.step_s
        running_s += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    return by_rule, running_s
