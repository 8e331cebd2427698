"""Runs whose oracle is a person, or whose speech nobody has labelled.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

OWN = "own"
#: What an answer may say of a clip, beside its label.
STATUSES = ("labelled", "skipped", "unusable")


def is_own(config: Config) -> bool:
    """Tell whether a run has a pool and a val set only (arms with split own), and no test."""
    return any(arm.get("split") == OWN for arm in config["arms"].values())


def asks_people(config: Config, protocol: str) -> bool:
    """Tell whether the oracle of a protocol is a person."""
    return bool(config["protocols"][protocol]["oracle"]["kind"] == "human")


def human_protocols(config: Config) -> list[str]:
    """Return the protocols whose oracle is a person."""
    return [name for name in config["protocols"] if asks_people(config, name)]
