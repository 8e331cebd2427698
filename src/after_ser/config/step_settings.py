"""The settings that each step's result depends on, and no others: the params of its rule.

Finished results stay valid as long as these are equal. Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from after_ser.core.protocol import (
    fit_settings,
    labelled_fraction,
    query_settings,
    without_defaults,
)
from after_ser.select.registry import options_of

Config = Mapping[str, Any]

#: The methods that a pool's scores are made with. Raise a version when its method changes: the
#: rule and every later query run again.
METHODS = {
    "pretrain": "pretrain-2",
    "materialise": "materialise-1",
    "tapt": "tapt-2",
    "pretrained latents": "latents-3",
    "tapt latents": "latents-3",
    "fit": "fit-2",
    "fit of round 0": "fit0-2",
}
#: What only says how a step is computed, or what is said of it: another value changes no result.
_OF_BACKBONE = ("note", "licence")
_OF_PRETRAINING = ("accumulation", "validations")
_OF_TAPT = ("seed_per_run", "accumulation")
_HOW_JOBS_RUN = ("gpu_request", "time_factor", "memory_factor")


def of_backbone(config: Config, backbone: str) -> dict[str, Any]:
    """Return what a backbone's weights depend on; what tables say of it is left out."""
    found = _without(config["backbones"][backbone], _OF_BACKBONE)
    if "pretraining" in found:
        found["pretraining"] = _without(found["pretraining"], _OF_PRETRAINING)
    return found


def of_pretraining(config: Config, backbone: str) -> dict[str, Any]:
    """Return how a backbone is pre-trained here, besides on whose speech."""
    return _without(config["backbones"][backbone]["pretraining"], ("corpora", "accumulation"))


def of_tapt(config: Config, start: str) -> dict[str, Any]:
    """Return what masked training depends on; P-TAPT's first stage is a step of its own."""
    return _without(config["tapt"][start], (*_OF_TAPT, "first_stage"))


def of_states(config: Config, start: str) -> dict[str, Any]:
    """Return what P-TAPT's emotion-state model depends on."""
    return _without(config["tapt"][start]["first_stage"], ("clusters", "iterations"))


def of_latents(config: Config) -> dict[str, Any]:
    """Return what latents are kept in, where it is not the default."""
    return without_defaults({"precision": config["latents"]}, {"precision": "float16"})


def of_surprisal(config: Config) -> dict[str, Any]:
    """Return how surprisal is computed; the clustering of ALPs has no options of its own."""
    return of_strategy(config, "alps")


def of_initial(config: Config, protocol: str) -> dict[str, Any]:
    """Return what the K-means initialisation of a protocol depends on."""
    if config["protocols"][protocol]["initial"] == "released":
        return {"method": "released"}
    return dict(config["initial"])


def of_strategy(config: Config, strategy: str) -> dict[str, Any]:
    """Return a strategy's options: the registry's defaults, replaced by the config's."""
    return options_of(strategy, config["strategies"].get(strategy, {}))


def queried_fraction(config: Config, protocol: str, index: int) -> float | None:
    """Return the labelled fraction that the query of round `index` brings; None after the last.

    It is that of the next round where the protocol shifts budgets.
    """
    budget = config["budget"]
    if index >= len(budget):
        return None
    return labelled_fraction(budget, index, config["protocols"][protocol]["budget_shift"])


def of_fit(config: Config, protocol: str) -> dict[str, Any]:
    """Return what a fit depends on besides its clips and labels."""
    precision = without_defaults({"precision": config["precision"]}, {"precision": "auto"})
    return {**fit_settings(config["protocols"][protocol]), **precision}


def of_scores(config: Config, protocol: str, backbone: str, start: str) -> dict[str, Any]:
    """Return what a pool's scores depend on besides clips and labels, METHODS included."""
    return {
        "methods": METHODS,
        "backbone": of_backbone(config, backbone),
        "tapt": _without(config["tapt"].get(start, {}), _OF_TAPT),
        "fit": of_fit(config, protocol),
        **query_settings(config["protocols"][protocol]),
        **of_latents(config),
        **{key: config[key] for key in ("classes", "device", "threads")},
    }


def of_baseline(config: Config, baseline: str) -> dict[str, Any]:
    """Return the options of a baseline, defaults filled in."""
    return _without(config["baselines"][baseline], ("method",))


def saved(config: Config) -> dict[str, Any]:
    """Return the configuration as it is kept with the results."""
    return _without(config, _HOW_JOBS_RUN)


def _without(settings: Mapping[str, Any], left_out: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in left_out}
