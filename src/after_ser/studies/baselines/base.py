"""What a baseline is: a module with `fit` and `predict`, and what goes in and out of them.

A module under `after_ser/studies/baselines/`, or a user's own file, offers

    fit(train: list[Clip], val: list[Clip], *, classes: list[str], settings: dict, seed: int,
        device: str) -> Fitted
    predict(model, clips: list[Clip]) -> np.ndarray  # [clips, classes], rows sum to 1

`train` and `val` are sorted by utterance and have labels. `settings` has a value for every option
of the method, `seed` is the only source of chance, `device` is what the config says ("auto",
"cpu", "cuda:0": see after_ser.run.device.choose_device). Epochs and options are chosen on val
or within train. `predict` gets clips without labels, and what it returns for a clip may not depend
on the clips beside it.

A third function, `extract(clips: list[Clip]) -> np.ndarray`, is for features that are dear and
depend on no fold: it is called once per dataset, and each clip brings its row in `features`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

HISTORY = ["epoch", "train_loss", "val_loss", "val_ua"]


@dataclass(frozen=True)
class Clip:
    """One clip: a 16 kHz mono file, and what may be known of it.

    `label` is an index into the run's classes, None where it is not to be seen. `valence`,
    `arousal` and `dominance` are on the corpus's own scale, None where it has none. `features`
    is the row that the method's own `extract` returned for it, None where it has no such function.
    """

    utt: str
    path: str
    label: int | None
    speaker: str
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    features: Any = None


@dataclass(frozen=True)
class Fitted:
    """What `fit` returns.

    `model` is whatever `predict` takes. `history` has the columns HISTORY, one row per epoch that
    was run (a method without epochs: one row, epoch 1); `best_epoch` is the one that was kept,
    `epochs` how many were run. `notes` say what a reader of the table must know of this fit, e.g.
    that a part was left out for want of labels; they are printed above Table 3. No line breaks.
    """

    model: Any
    history: pd.DataFrame
    best_epoch: int
    epochs: int
    notes: list[str] = field(default_factory=list)


class Method(Protocol):
    """A module that is a baseline."""

    def fit(
        self,
        train: list[Clip],
        val: list[Clip],
        *,
        classes: list[str],
        settings: dict[str, Any],
        seed: int,
        device: str,
    ) -> Fitted:
        """Train on `train`, choose on `val`."""

    def predict(self, model: Any, clips: list[Clip]) -> np.ndarray:
        """Return probabilities [clips, classes]."""
