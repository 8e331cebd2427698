"""The switches of a fine-tuning protocol, and which steps each of them can change.

Their defaults are the paper's protocol. Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Read by a fit (after_ser.learn.finetune).
TRAINING: dict[str, Any] = {
    "shuffle": True,
    "drop_last": False,
    "restore": "best",
    "crop": "random",
    "spec_augment": False,
    "fast": True,
}
#: Read by the queries of rounds 1, 2 ...
QUERY: dict[str, Any] = {"selection": "top-k", "budget_shift": 0}
#: Read by the initial set.
INITIAL: dict[str, Any] = {"initial": "elbow"}
SWITCHES = {**TRAINING, **QUERY, **INITIAL}
#: What round 0 cannot depend on: it has no query before it and no model to continue from.
FROM_ROUND_1: dict[str, Any] = {**QUERY, "warm_start": True}


def without_defaults(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return `settings` without those that are at their default: there they are no setting.

    Results from before a setting existed stay valid, and adding one repeats nothing.
    """
    return {
        key: value
        for key, value in settings.items()
        if key not in defaults or value != defaults[key]
    }


def fit_settings(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a fit depends on besides its labelled set, and no more.

    Pruning models must not refit them, and the oracle's answers are in the labelled set.
    """
    other = ("keep_models", "oracle", *QUERY, *INITIAL)
    own = {key: value for key, value in protocol.items() if key not in other}
    return without_defaults(own, TRAINING)


def query_settings(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Return the switches that queries depend on, those at their default left out."""
    return without_defaults({key: protocol[key] for key in QUERY}, QUERY)


def labelled_fraction(budget: Sequence[float], index: int, shift: int) -> float:
    """Return the labelled share of train of round `index`, whose results are titled budget[index].

    With `shift` 1 every round but the initial one has one step more than its title says: the
    released code calls a model 5 % that was trained on the initial set and one query of 5 %. So
    round r >= 1 has budget[r + 1], and the last one takes its own step once more, up to 1.
    """
    if not shift or index == 0:
        return budget[index]
    if index + 1 < len(budget):
        return budget[index + 1]
    return min(1.0, budget[index] + (budget[index] - budget[index - 1]))


def round0_protocol(protocols: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """Return the protocol whose initial set and round 0 those of protocol `name` are.

    Protocols that differ only in what begins with round 1 would fit the same model twice, so the
    first one that has the defaults there is taken; `name` itself where there is none.
    """

    def before(protocol: Mapping[str, Any]) -> dict[str, Any]:
        left_out = ("keep_models", *FROM_ROUND_1)
        return {key: value for key, value in protocol.items() if key not in left_out}

    def is_plain(protocol: Mapping[str, Any]) -> bool:
        own = {key: protocol[key] for key in FROM_ROUND_1 if key in protocol}
        return not without_defaults(own, FROM_ROUND_1)

    own = protocols[name]
    if is_plain(own):
        return name
    for other, settings in protocols.items():
        if is_plain(settings) and before(settings) == before(own):
            return other
    return name
