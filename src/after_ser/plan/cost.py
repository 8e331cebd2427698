"""Seconds and bytes of one job: the work that `cluster.estimates` knows, at measured speeds.

Requests have a margin, and speeds that hold everywhere. Here is neither: what a job is expected to
take on the device that was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from after_ser.cluster.estimates import ESTIMATES, GPU_CLIP_S, SAME_WORK
from after_ser.cluster.requests import Requests
from after_ser.plan.calibration import Speeds
from after_ser.plan.disk import disk_bytes

#: Rules by the kind of work that most of their operations are; any other one scores.
_TAPT = frozenset({"tapt", "pretrain_backbone", "ptapt_states"})
_FIT = frozenset({"fit_round", "fit_baseline", "fewshot_prefinetune", "fewshot_adapt"})
_CNN = frozenset({"pretrained_latents", "fewshot_latents"})
#: Rules that import transformers, which takes seconds more than torch alone.
_TRANSFORMERS = _TAPT | _CNN | {"robustness", "pretrained_surprisal"}
#: What is no wav2vec 2.0: a request has an upper bound, of which this share was used in the demo
#: (one thread of an AMD EPYC; a baseline's depends on its size).
_SHARE_USED = {
    "synthesise_corpus": 0.013,
    "index_corpus": 0.02,
    "convert_corpus": 0.1,
    "extract_features": 0.45,
    "fit_baseline": 0.01,
    "initial_set": 0.1,
    "acquire_with_features": 0.1,
    "pretrained_latents": 0.15,
    "robustness": 0.3,
    "merge_corpora": 0.01,
    "make_fold": 0.01,
    "audit_dataset": 0.02,
    "inject_outliers": 0.02,
    "inside": 0.15,
}


@dataclass(frozen=True)
class Cost:
    """Of one job: seconds of wall time, CPUs and GPUs that it holds, bytes that it leaves."""

    seconds: float
    cpus: int
    gpus: int
    disk: float


def cost_of(requests: Requests, speeds: Speeds, rule: str, wildcards: Mapping[str, str]) -> Cost:
    """Return what one job is expected to cost; a rule that only handles tables costs its start."""
    rule = SAME_WORK.get(rule, rule)
    disk = disk_bytes(requests, rule, wildcards)
    if rule not in ESTIMATES:
        return Cost(speeds.start_tables_s, 1, 0, disk)
    found = requests.estimate(rule, wildcards)
    gpus = requests.gpus(rule, found) if speeds.gpu else 0
    speed = speeds.tapt if rule in _TAPT else speeds.fit if rule in _FIT else speeds.score
    if rule in _CNN:
        speed = speeds.cnn
    speed *= max(1, gpus)  # as if nothing were lost by sharing a step
    seconds = found.seconds * _SHARE_USED.get(rule, 1.0)
    if rule == "fit_baseline":  # no wav2vec 2.0: its operations are an assumption as well
        seconds += found.flops / speed * _SHARE_USED[rule]
    else:
        seconds += (found.flops - found.forward) / speed + found.forward / speeds.score
    if gpus:
        seconds += GPU_CLIP_S * found.single_clips
    return Cost(
        seconds + _start(speeds, rule, found.shape is not None), requests.cpus(rule), gpus, disk
    )


def _start(speeds: Speeds, rule: str, has_model: bool) -> float:
    if rule in _TRANSFORMERS:
        return speeds.start_transformers_s
    return speeds.start_s if has_model or rule == "fit_baseline" else speeds.start_tables_s
