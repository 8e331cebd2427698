"""Bytes that a job leaves in results/."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from after_ser.cluster.requests import Requests
from after_ser.cluster.work import SAMPLE_RATE, Shape, speech_of

Wildcards = Mapping[str, str]
#: FLAC of 16-bit speech is about half of its samples (0.55 for the demo's).
_FLAC = 0.55
#: A row of predictions.tsv or pool.tsv: a name and four probabilities.
_ROW = 80.0
#: A float32 has 4 bytes; quantiser and projections of pre-training are a few per cent of a model.
_FLOAT, _PRETRAINING = 4.0, 1.02
#: Tables, figures, logs.
_SMALL = 100_000.0
_SURPRISAL_BINS, _FUNCTIONALS, _STATES = 50, 88, 512


def disk_bytes(requests: Requests, rule: str, wildcards: Wildcards) -> float:
    """Return what one job leaves, about; states of interrupted jobs are not counted."""
    kind = _RULES.get(rule)
    return _SMALL / 10 if kind is None else kind(requests, wildcards)


def _transformer(shape: Shape) -> float:
    return _FLOAT * shape.transformer_parameters


def _samples(requests: Requests, wildcards: Wildcards) -> float:
    return speech_of(requests.config, wildcards["corpus"]).seconds * SAMPLE_RATE * 2


def _latents(requests: Requests, wildcards: Wildcards) -> float:
    shape, speech = requests.shape(wildcards), requests.dataset(wildcards)
    return 1e6 * shape.latents_mb * speech.seconds + _FLOAT * speech.clips * shape.conv_dim[-1]


def _checkpoint(requests: Requests, wildcards: Wildcards) -> float:
    return _FLOAT * _PRETRAINING * requests.shape(wildcards).parameters


def _fit(requests: Requests, wildcards: Wildcards) -> float:
    return (
        _transformer(requests.shape(wildcards)) + _ROW * requests.dataset(wildcards).clips + _SMALL
    )


_RULES: dict[str, Callable[[Requests, Wildcards], float]] = {
    "synthesise_corpus": _samples,
    "convert_corpus": lambda r, w: _FLAC * _samples(r, w),
    "pretrain_backbone": _checkpoint,
    "materialise_backbone": _checkpoint,
    "tapt": _checkpoint,
    "pretrained_latents": _latents,
    "fewshot_latents": lambda r, w: (
        1e6 * r.shape(w).latents_mb * speech_of(r.config, w["corpus"]).seconds
    ),
    "pretrained_surprisal": lambda r, w: _FLOAT * _SURPRISAL_BINS * r.dataset(w).clips,
    "ptapt_states": lambda r, w: _FLOAT * _STATES * 100 * r.dataset(w).seconds,
    "extract_features": lambda r, w: 8.0 * _FUNCTIONALS * r.dataset(w).clips,
    "fit_round": _fit,
    "fewshot_prefinetune": lambda r, w: _transformer(r.shape(w)) + _SMALL,
}
