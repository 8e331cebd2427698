"""What each rule asks of a cluster: GPU, CPUs, memory and time, from the work it has to do.

Time is (operations of the model) / (speed) times MARGIN plus START_MIN, memory is what the process
holds at once. docs/architecture.md ("What jobs ask for") has the formulae in words and what was
measured. `--set-resources rule:mem_mb=...` replaces any of them, `time_factor` and
`memory_factor` of the config scale them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from typing import Any

from after_ser.cluster.estimates import (
    CPU_FLOPS,
    CUDA_MB,
    ESTIMATES,
    GPU_CLIP_S,
    GPU_FLOPS,
    TORCH_MB,
    Config,
    Estimate,
    Wildcards,
)
from after_ser.cluster.places import Place, room_to_grow
from after_ser.cluster.work import Shape, Speech, shape_of, speech_in

MARGIN = 1.5
#: Three Snakemakes, the imports and reading the inputs; a cluster's file system is slow.
START_MIN = 10
#: Weights in memory while a checkpoint is read, trained on the GPU and written: four copies.
#: On the CPU gradients and Adam's two moments come on top.
COPIES, COPIES_CPU = 4, 7
#: float32 values that backward keeps per frame, layer and hidden unit, the CNN's among them
#: (measured: 62 at wav2vec2-base), and without a backward; the longest batch that is scored
#: (finetune.predict).
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

    def on_attempt(self, attempt: int, places: Sequence[Place] = ()) -> Request:
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
        mem_mb, minutes = room_to_grow(places, self.gpus, self.cpus, least, wanted)
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
        self.places: Sequence[Place] = ()
        self._gpus = 0 if config["device"] == "cpu" else config["gpus_per_job"]
        self._request = cache(self._request_of)

    def of(self, rule: str) -> dict[str, Any]:
        """Return the resources of a rule as Snakemake takes them.

        mem_mb, runtime and, for a rule that may use a GPU, gpu (or gres, as `gpu_request` says).
        cpus_per_task repeats the threads: Snakemake cuts those to the cores of the machine it runs
        on, which is not the one that a cluster job runs on.
        """
        part: dict[str, Any] = {
            "mem_mb": self._part(rule, lambda r: r.mem_mb),
            "runtime": self._part(rule, lambda r: r.minutes),
        }
        cpus = self.cpus(rule)
        if cpus > 1:
            part["cpus_per_task"] = cpus
        if rule in ON_GPU and self._gpus:
            gpus: Any = self._gpus_of(rule)  # the same for all jobs, which plans faster
            if rule in SOMETIMES_ON_GPU:
                gpus = self._part(rule, lambda r: r.gpus)
            kind, _, model = self.config["gpu_request"].partition(":")
            if kind == "gres":
                name = f"gpu:{model}" if model else "gpu"
                part["gres"] = self._part(rule, lambda r: f"{name}:{r.gpus}" if r.gpus else "")
            else:
                part["gpu"] = gpus
        return part

    def request(self, rule: str, wildcards: Wildcards) -> Request:
        """Return what the first attempt of a job asks for."""
        return self._request(rule, *[wildcards.get(name) for name in DEPENDS_ON])

    def _part(self, rule: str, part: Callable[[Request], Any]) -> Callable[..., Any]:
        def resource(wildcards: Wildcards, attempt: int) -> Any:
            return part(self.request(rule, wildcards).on_attempt(attempt, self.places))

        return resource

    def cpus(self, rule: str) -> int:
        """Return the CPUs of a rule's jobs."""
        if rule in ON_GPU or rule in WITH_THREADS:
            threads = int(WITH_THREADS.get(rule) or self.config["threads"])
            return threads * max(1, self._gpus_of(rule))
        return 1

    def _gpus_of(self, rule: str) -> int:
        """Return the GPUs of a rule's jobs that use any; a process each."""
        if rule not in ON_GPU or not self._gpus:
            return 0
        return int(self.config["gpus_per_pretraining"]) if rule in ON_GPUS else self._gpus

    def estimate(self, rule: str, wildcards: Wildcards) -> Estimate:
        """Return the work of a job, without any margin."""
        return ESTIMATES[rule](self, wildcards)

    def gpus(self, rule: str, found: Estimate) -> int:
        """Return how many GPUs a job of this work asks for."""
        return self._gpus_of(rule) if found.on_gpu else 0

    def _request_of(self, rule: str, *values: str | None) -> Request:
        given = {name: value for name, value in zip(DEPENDS_ON, values, strict=True) if value}
        found = self.estimate(rule, given)
        gpus = self.gpus(rule, found)
        cpus = self.cpus(rule)
        speed = GPU_FLOPS * gpus if gpus else CPU_FLOPS * cpus
        seconds = found.seconds + found.flops / speed
        if gpus:
            seconds += GPU_CLIP_S * found.single_clips
        mem_mb = found.mem_mb
        if found.shape is not None:
            copies = COPIES if gpus or not found.trained_frames else COPIES_CPU
            mem_mb += TORCH_MB + (CUDA_MB if gpus else 0)
            mem_mb += copies * 4 * found.shape.parameters / 1e6
            if not gpus:
                kept = found.trained_frames * found.shape.layers * found.shape.hidden * KEPT
                mem_mb += 4 * (kept + SCORED_FRAMES * found.shape.hidden * KEPT_SCORING) / 1e6
        processes = max(1, gpus)  # every one holds what one alone does
        return Request(
            gpus=gpus,
            cpus=cpus,
            mem_mb=_rounded(mem_mb * processes * self.config["memory_factor"], 100),
            minutes=_rounded((START_MIN + MARGIN * seconds / 60) * self.config["time_factor"], 5),
        )

    def dataset(self, wildcards: Wildcards) -> Speech:
        """Return the speech of the wildcard's dataset."""
        return speech_in(self.config, wildcards["dataset"])

    def shape(self, wildcards: Wildcards) -> Shape:
        """Return the architecture of the wildcard's backbone."""
        shape = shape_of(self.config["backbones"][wildcards["backbone"]])
        return replace(shape, latent_bytes=4 if self.config.get("latents") == "float32" else 2)


def _rounded(value: float, step: int) -> int:
    return step * max(1, ceil(value / step))


#: Rules that run a model, and so may ask for a GPU.
ON_GPU = frozenset(
    {
        *("pretrain_backbone", "pretrained_latents", "pretrained_surprisal"),
        *("tapt", "ptapt_states", "ptapt_clusters"),
        *("acquire_with_features", "fit_round", "robustness", "fit_baseline"),
        *("fewshot_latents", "fewshot_prefinetune", "fewshot_adapt"),
    }
)
#: Those of them whose jobs share their steps among as many as `gpus_per_pretraining` says.
ON_GPUS = frozenset({"pretrain_backbone", "tapt"})
#: Those of them of which some jobs have no use for one.
SOMETIMES_ON_GPU = frozenset({"acquire_with_features", "fit_baseline"})
#: Rules without a model that use more than one CPU: to their number, or 0 for the config's.
WITH_THREADS = {"convert_corpus": 2, "extract_features": 0}
