"""What each job asks of a cluster: GPU, CPUs, memory and time, from the work it has to do.

Time is (operations of the model) / (speed) times MARGIN plus START_MIN, memory is what the process
holds at once. docs/running.md ("What jobs request") has the formulae in words and what was
measured. `--set-resources rule:mem_mb=...` replaces any of them, `time_factor` and
`memory_factor` of the config scale them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from typing import Any

from after_ser.tools.cluster.nodes import Nodes, room_to_grow
from after_ser.tools.cluster.rules import CPU_FLOPS, CUDA_MB, GPU_FLOPS, TORCH_MB, Gpus, rule_of
from after_ser.tools.cluster.work import Config, Job, Wildcards, Work

MARGIN = 1.5
#: Three Snakemakes, the imports and reading the inputs; a cluster's file system is slow.
START_MIN = 10
#: Weights in memory while a checkpoint is read, trained on the GPU and written: four copies.
#: On the CPU gradients and Adam's two moments come on top.
COPIES, COPIES_CPU = 4, 7
#: float32 values that backward keeps per frame, layer and hidden unit, the CNN's among them
#: (measured: 62 at wav2vec2-base), and without a backward; the longest batch that is scored
#: (learn.finetune.predict).
KEPT, KEPT_SCORING = 64, 16
SCORED_FRAMES = 16_384
MEMORY_GROWTH, TIME_GROWTH = 1.5, 2.0


@dataclass(frozen=True)
class Request:
    """What one job asks for; mem_mb is the whole job's, minutes its time limit."""

    gpus: int
    cpus: int
    mem_mb: int
    minutes: int

    def on_attempt(self, attempt: int, nodes: Sequence[Nodes] = ()) -> Request:
        """Return what attempt 1, 2, 3 ... asks for: more memory and time, as far as there is room.

        A job does not outgrow the partition that gives it most of that; where none is known it
        grows without a limit. The first attempt is never cut: what fits nowhere must be seen.
        """
        if attempt == 1:
            return self
        wanted = (
            ceil(self.mem_mb * MEMORY_GROWTH ** (attempt - 1)),
            ceil(self.minutes * TIME_GROWTH ** (attempt - 1)),
        )
        least = (self.mem_mb, self.minutes)
        mem_mb, minutes = room_to_grow(nodes, self.gpus, self.cpus, least, wanted)
        return replace(self, mem_mb=int(mem_mb), minutes=int(minutes))


#: The wildcards that a request can depend on; fold and seed are not among them.
DEPENDS_ON = (
    *("corpus", "dataset", "backbone", "start", "protocol", "strategy", "round"),
    *("baseline", "sources"),
)


class Requests:
    """The requests of a config's jobs; `of(rule)` is the `resources:` of a rule."""

    def __init__(self, config: Config) -> None:
        """`config` is the resolved one."""
        self.config = config
        #: Where jobs can run; set in the main process of a run on a cluster.
        self.nodes: Sequence[Nodes] = ()
        self._request = cache(self._request_of)

    def of(self, rule: str) -> dict[str, Any]:
        """Return the resources of a rule as Snakemake takes them.

        mem_mb, runtime and, for a rule that may use a GPU, gpu (or gres, as `gpu_request` says).
        cpus_per_task repeats the threads: Snakemake cuts those to the cores of the machine it runs
        on, which is not the one that a cluster job runs on.
        """
        resources: dict[str, Any] = {
            "mem_mb": self._part(rule, lambda r: r.mem_mb),
            "runtime": self._part(rule, lambda r: r.minutes),
        }
        cpus, gpus = self.cpus(rule), self._gpus_of(rule)
        if cpus > 1:
            resources["cpus_per_task"] = cpus
        kind, _, model = self.config["gpu_request"].partition(":")
        if gpus and kind == "gres":
            name = f"gpu:{model}" if model else "gpu"
            resources["gres"] = self._part(rule, lambda r: f"{name}:{r.gpus}" if r.gpus else "")
        elif gpus and rule_of(rule).gpus is Gpus.SOME_JOBS:
            resources["gpu"] = self._part(rule, lambda r: r.gpus)
        elif gpus:
            resources["gpu"] = gpus  # the same for all jobs, which plans faster
        return resources

    def request(self, rule: str, wildcards: Wildcards) -> Request:
        """Return what the first attempt of a job asks for."""
        return self._request(rule, *[wildcards.get(name) for name in DEPENDS_ON])

    def _part(self, rule: str, part: Callable[[Request], Any]) -> Callable[..., Any]:
        def resource(wildcards: Wildcards, attempt: int) -> Any:
            return part(self.request(rule, wildcards).on_attempt(attempt, self.nodes))

        return resource

    def cpus(self, rule: str) -> int:
        """Return the CPUs of a rule's jobs."""
        return (rule_of(rule).cpus or int(self.config["threads"])) * max(1, self._gpus_of(rule))

    def _gpus_of(self, rule: str) -> int:
        """Return the GPUs of a rule's jobs that use any; a process each."""
        kind = rule_of(rule).gpus
        gpus = 0 if self.config["device"] == "cpu" else int(self.config["gpus_per_job"])
        if kind is Gpus.NONE or not gpus:
            return 0
        return int(self.config["gpus_per_pretraining"]) if kind is Gpus.SEVERAL else gpus

    def work(self, rule: str, wildcards: Wildcards) -> Work:
        """Return the work of a job, without any margin."""
        return rule_of(rule).work(Job(self.config, wildcards))

    def gpus(self, rule: str, work: Work) -> int:
        """Return how many GPUs a job of this work asks for."""
        return self._gpus_of(rule) if work.on_gpu else 0

    def _request_of(self, rule: str, *values: str | None) -> Request:
        given = {name: value for name, value in zip(DEPENDS_ON, values, strict=True) if value}
        work = self.work(rule, given)
        gpus, cpus = self.gpus(rule, work), self.cpus(rule)
        speed = GPU_FLOPS * gpus if gpus else CPU_FLOPS * cpus
        seconds = work.seconds + work.model_seconds(speed, speed, gpus > 0)
        minutes = (START_MIN + MARGIN * seconds / 60) * self.config["time_factor"]
        # every process, one a GPU, holds what one alone does
        mem_mb = _memory(work, gpus > 0) * max(1, gpus) * self.config["memory_factor"]
        return Request(gpus, cpus, _rounded(mem_mb, 100), _rounded(minutes, 5))


def _memory(work: Work, on_gpu: bool) -> float:
    """Return the MB that one process holds."""
    if work.shape is None:
        return work.mem_mb
    copies = COPIES if on_gpu or not work.trained_frames else COPIES_CPU
    mem_mb = work.mem_mb + TORCH_MB + copies * 4 * work.shape.parameters / 1e6
    if on_gpu:
        return mem_mb + CUDA_MB
    kept = work.trained_frames * work.shape.layers * work.shape.hidden * KEPT
    return mem_mb + 4 * (kept + SCORED_FRAMES * work.shape.hidden * KEPT_SCORING) / 1e6


def _rounded(value: float, step: int) -> int:
    return step * max(1, ceil(value / step))
