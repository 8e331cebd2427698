"""Config of an arm and of the initial set.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge

from after_ser.core.settings import Name, Settings, key, optional


class Initial(Settings):
    """The K-means initialisation."""

    k_min: Annotated[int, Ge(2)] = key(2, "smallest number of clusters tried")
    k_max: Annotated[int, Ge(3)] = key(
        10, "largest number of clusters tried; the elbow of the inertia decides"
    )


class Arm(Settings):
    """A start, an initial set, a strategy and a schedule."""

    label: str = key(..., "what tables and figures call it", "AFTER")
    start: Name = key(..., "`pretrained`, or a key of `tapt`", "tapt")
    init: Literal["kmeans", "random"] = key(
        "kmeans", "initial set: `kmeans` or `random`; one-shot arms ignore it"
    )
    strategy: str = key(..., "a strategy of the table above", "entropy")
    schedule: Literal["iterative", "oneshot"] = key(
        "iterative",
        "`iterative`: rounds; `oneshot`: one fit per fraction from the start checkpoint, on nested "
        "random subsets (strategy `random` only)",
    )
    protocol: str = key("paper", "a key of `protocols`", "paper")
    backbone: Name = optional("a key of `backbones`", "w2v2-L-r-12", unset="the run's own")
    split: Literal["paper", "released", "own"] = key(
        "paper",
        "how folds are made: `paper` (as under `datasets`), `own` (val and a pool, no test: see "
        "there), or `released`: the held-out session or group is halved at random into val and "
        "test, everything else is train, and `val` is not used. Val then shares speakers with "
        "test; `audit.json` lists that under `expected`",
    )
