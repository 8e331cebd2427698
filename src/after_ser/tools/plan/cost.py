"""Seconds and bytes of one job: the work that `tools.cluster.rules` knows, at measured speeds.

Requests have a margin, and speeds that hold everywhere. Here is neither: what a job is expected to
take on the device that was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from after_ser.tools.cluster.requests import Requests
from after_ser.tools.cluster.rules import rule_of
from after_ser.tools.plan.calibration import Speeds


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
