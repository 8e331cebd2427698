"""What a job is expected to cost, and how long all of them take, which wait for each other."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from after_ser.tools.cluster.requests import Requests
from after_ser.tools.cluster.rules import rule_of
from after_ser.tools.plan.calibration import Speeds
from after_ser.tools.plan.jobs import PlannedJob


@dataclass(frozen=True)
class Cost:
    """Of one job: seconds of wall time, CPUs and GPUs that it holds, bytes that it leaves."""

    seconds: float
    cpus: int
    gpus: int
    disk: float


def cost_of(requests: Requests, speeds: Speeds, rule: str, wildcards: Mapping[str, str]) -> Cost:
    """Return what one job is expected to cost; a rule that only handles tables costs its start."""
    facts, work = rule_of(rule), requests.work(rule, wildcards)
    gpus = requests.gpus(rule, work) if speeds.gpu else 0
    share = max(1, gpus)  # as if nothing were lost by sharing a step
    training = getattr(speeds, facts.kind) * share
    seconds = getattr(speeds, facts.imports) + work.seconds * facts.used
    model_s = work.model_seconds(training, speeds.score, gpus > 0)
    return Cost(seconds + model_s * facts.used_flops, requests.cpus(rule), gpus, work.disk)


def wall_seconds(jobs: Sequence[PlannedJob], costs: Sequence[Cost], cores: int, gpus: int) -> float:
    """Return the time until the last job ends, where each starts as soon as it can.

    List scheduling (Graham 1966) in the order of the plan; `gpus` counts the GPU jobs that may run
    at once. A job that asks for more than there is gets what there is, as with Snakemake's cores.
    """
    waits = {job.number: len(job.after) for job in jobs}
    followers: dict[int, list[int]] = {}
    for job in jobs:
        for other in job.after:
            followers.setdefault(other, []).append(job.number)
    needs = {
        job.number: (min(cost.cpus, cores), min(cost.gpus, gpus), cost.seconds)
        for job, cost in zip(jobs, costs, strict=True)
    }
    # one queue for each request: where its first job finds no room, none of it does
    ready: dict[tuple[int, int], list[int]] = {}

    def enqueue(number: int) -> None:
        heapq.heappush(ready.setdefault(needs[number][:2], []), number)

    for number, count in waits.items():
        if count == 0:
            enqueue(number)
    running: list[tuple[float, int]] = []
    free_cores, free_gpus, now = cores, gpus, 0.0
    while running or any(ready.values()):
        for (job_cores, job_gpus), queue in sorted(ready.items(), reverse=True):
            while queue and job_cores <= free_cores and job_gpus <= free_gpus:
                number = heapq.heappop(queue)
                free_cores, free_gpus = free_cores - job_cores, free_gpus - job_gpus
                heapq.heappush(running, (now + needs[number][2], number))
        now, ended = heapq.heappop(running)
        free_cores, free_gpus = free_cores + needs[ended][0], free_gpus + needs[ended][1]
        for follower in followers.get(ended, []):
            waits[follower] -= 1
            if waits[follower] == 0:
                enqueue(follower)
    return now
