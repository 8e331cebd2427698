"""What the jobs of a plan did cost, where they are finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from after_ser.tools.plan.jobs import PlannedJob


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
