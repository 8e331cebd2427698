"""UA on val after each round, and how it would vary with other val clips.

Every round is scored on the same val clips, so one draw of clips gives a whole curve: differences
between rounds vary less than the rounds themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from after_ser.core.errors import InputError
from after_ser.core.seeding import rng
from after_ser.judge.bootstrap import FEW, HANDFUL
from after_ser.judge.statistics import LEVEL
from after_ser.run.atomic import AGAIN

#: Enough for the ends of a 95 % interval to a tenth of its width.
DRAWS = 4000


@dataclass(frozen=True)
class ValCurve:
    """A learning curve with its band, all UA as fractions.

    ua:       [rounds]
    drawn:    [draws, rounds], the same curve on clips drawn again
    clusters: what was drawn, `speakers` or `clips`, and `n_clusters` of them
    note:     why the band should not be trusted, "" if there is no reason
    """

    ua: np.ndarray
    drawn: np.ndarray
    clusters: str
    n_clusters: int
    note: str

    @property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of the percentile intervals at LEVEL, [rounds] each."""
        low, high = np.quantile(self.drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        return low, high

    def gain(self, index: int) -> tuple[float, float, float]:
        """Return UA of round `index` minus that of the round before, and its interval."""
        differences = self.drawn[:, index] - self.drawn[:, index - 1]
        low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(self.ua[index] - self.ua[index - 1]), float(low), float(high)


def val_curve(
    rounds: Sequence[pd.DataFrame],
    speakers: Mapping[str, str],
    *name: str | int,
    resamples: int = DRAWS,
) -> ValCurve:
    """Return the curve of val predictions (utt, label, predicted), one frame per round.

    Speakers are drawn with replacement, each with all its clips; or clips, if the speaker of one is
    not known or all have the same. A draw without a class averages over the classes that it has,
    as UA does. `name` names the random source.
    Raises InputError if the rounds do not have the same val clips and labels.
    """
    first = rounds[0].sort_values("utt", ignore_index=True)
    correct = []
    for index, frame in enumerate(rounds):
        frame = frame.sort_values("utt", ignore_index=True)
        if not frame[["utt", "label"]].equals(first[["utt", "label"]]):
            raise InputError(
                f"val clips of round {index} are not those of round 0, or have other labels; "
                f"{AGAIN}"
            )
        correct.append((frame["predicted"] == frame["label"]).to_numpy(dtype=float))
    by_clip = [speakers.get(utt, "") for utt in first["utt"]]
    of_speaker = all(by_clip) and len(set(by_clip)) > 1
    clusters, codes = np.unique(by_clip if of_speaker else first["utt"], return_inverse=True)
    labels, classes = np.unique(first["label"], return_inverse=True)
    shape = (len(clusters), len(labels))
    clips, right = np.zeros(shape), np.zeros((len(rounds), *shape))
    np.add.at(clips, (codes, classes), 1)
    for index, hits in enumerate(correct):
        np.add.at(right[index], (codes, classes), hits)
    draws = rng("bootstrap", *name).multinomial(
        len(clusters), np.full(len(clusters), 1 / len(clusters)), size=resamples
    )
    return ValCurve(
        ua=_ua(np.ones((1, len(clusters))), clips, right)[0],
        drawn=_ua(draws.astype(float), clips, right),
        clusters="speakers" if of_speaker else "clips",
        n_clusters=len(clusters),
        note=_note(by_clip, len(clusters)),
    )


def _ua(weights: np.ndarray, clips: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return UA [draws, rounds]; weights [draws, clusters] say how often each cluster counts."""
    n = weights @ clips
    columns = []
    for hits in right:
        recall = np.divide(weights @ hits, n, out=np.full(n.shape, np.nan), where=n > 0)
        columns.append(np.nanmean(recall, axis=1))
    return np.stack(columns, axis=1)


def _note(speakers: Sequence[str], clusters: int) -> str:
    if not all(speakers):
        return (
            "the speaker of some val clips is not known, so clips were drawn: the band is too "
            "narrow if clips share speakers"
        )
    if len(set(speakers)) == 1:
        return "val has one speaker, so clips were drawn: the band says nothing of other speakers"
    if clusters < HANDFUL:
        return f"val has {clusters} speakers: the band is not trustworthy"
    if clusters < FEW:
        return f"val has {clusters} speakers: the band tends to be too narrow"
    return ""
