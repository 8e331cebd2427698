"""Config of a dataset.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import model_validator
from pydantic_core import PydanticCustomError

from after_ser.core.settings import Count, Name, NotNegative, Set, Settings, ValShare, key, optional


class Folds(Settings):
    """How the target is divided into test folds."""

    by: Literal["session", "speaker", "none"] = key(
        ...,
        "`session` holds out one session at a time, `speaker` one group of speakers (women and men "
        "dealt out evenly), `none` nothing: for arms with `split: own`",
    )
    groups: Annotated[int, Ge(2)] = key(
        5, "number of folds; with `session`, the number of sessions"
    )


class Val(Settings):
    """How val is drawn."""

    share: ValShare = key(
        0.1,
        "share of the clips outside test, after balancing, that becomes val; stratified by class "
        "and corpus",
    )
    extra: bool = key(
        True, "whether val may hold clips of the extra corpora; false keeps them in train"
    )


class Balance(Settings):
    """How the train and val part of a fold is balanced."""

    method: Literal["ratio", "cap", "none"] = key(
        "none",
        "`ratio` (classes in a ratio, dropping as little as possible), `cap` (at most so many "
        "clips per corpus and class), `none`",
    )
    ratio: dict[str, NotNegative] = key(
        {},
        "target ratio by class, a number for every class; empty is the paper's anger 1.5, neutral "
        "1.4, sad 1.0, happy 1.5",
        {"anger": 1, "neutral": 1, "sad": 1, "happy": 1},
    )
    cap: Count = key(1000, "most clips per corpus and class with method `cap`")


class Foreign(Settings):
    """Clips of a corpus outside the dataset."""

    corpus: Name = key(..., "a key of `corpora` outside the dataset", "savee")
    share: Annotated[float, Gt(0), Le(0.4)] = key(..., "share of train")


class Inject(Settings):
    """Useless clips that are injected into train."""

    duplicates: Annotated[float, Gt(0), Le(0.4)] = optional(
        "share of train that is near-duplicates: train clips again, at up to 3 dB more or less, in "
        "noise at 40 dB SNR, never without their source"
    )
    foreign: Foreign = optional(
        "share (`share`) of train that is clips of a `corpus` outside the dataset, with a class "
        "drawn at random",
        {"corpus": "savee", "share": 0.05},
    )

    @model_validator(mode="after")
    def _something(self) -> Inject:
        if self.duplicates is None and self.foreign is None:
            raise PydanticCustomError("empty", "Input should be duplicates, foreign or both")
        return self


class Dataset(Settings):
    """A target corpus, which is tested, and extra corpora, which are not."""

    target: Name = key(
        ..., "the corpus whose sessions or speakers become the test folds", "iemocap"
    )
    extra: Set[Name] = key(
        [],
        "corpora that are added to train, and to val unless `val.extra` says no",
        ["emodb", "ravdess"],
    )
    folds: Folds = key(..., "how the target is divided (below)", {"by": "session"})
    val: Val = key(Val, "how val is drawn (below)", {"share": 0.1})
    balance: Balance = key(
        Balance,
        "how the train and val part of a fold is balanced (below); test never is",
        {"method": "ratio"},
    )
    inject: Inject = optional(
        "useless clips that are injected into train (below), to see which arms pick them",
        {"duplicates": 0.05},
    )
