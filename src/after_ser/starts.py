"""Which starts there are, what they have seen, and which arms may begin from them.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Any

from after_ser.tapt.objectives.registry import uses_labels

Config = dict[str, Any]


def start_uses_labels(config: Config, start: str) -> bool:
    """Tell whether a start has read the labels of train (P-TAPT); `pretrained` has not."""
    return start != "pretrained" and uses_labels(config["tapt"][start]["objective"])
