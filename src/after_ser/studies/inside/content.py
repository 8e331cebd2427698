"""What the scripts of a page show: the map, lists of picks, sure mistakes, and clips to play.

Everything is bounded by the config's `inside`, so that a page stays small whatever the dataset.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from after_ser.core.errors import InputError
from after_ser.core.seeding import rng
from after_ser.judge.cells import percent
from after_ser.studies.inside import sounds
from after_ser.studies.inside.gather import SOURCES, Clips, Round, Run
from after_ser.studies.inside.suspects import clip_counts, suspects

#: Per source of a prediction: the tab's name, and what the models knew of such a clip.
KINDS = {
    "test": (
        "test",
        "Test clips, by the last models of all folds and seeds: none was trained on a clip of "
        "these speakers.",
    ),
    "val": (
        "validation",
        "Validation clips, by the last models of all folds and seeds: not trained on, but they "
        "chose the epoch that was kept.",
    ),
    "pool": (
        "still in the pool",
        "Clips that are not labelled after the last round, by the last models of the runs shown "
        "in detail. The label is the corpus's; no fine-tuned model was given it. TAPT may have "
        "heard the audio.",
    ),
    "picked": (
        "just picked",
        "What the model of the round before said of a clip that was then labelled, in the runs "
        "shown in detail: it had not seen the answer. The label is what the annotators answered.",
    ),
}
WHERE = (
    "Open the page from the folder of the results (its path is below its title): there every clip "
    "can be played."
)


class _Register:
    """Numbers the clips that a page mentions, so that each is described once."""

    def __init__(self, clips: Clips, corpora: Sequence[str], page: Path, root: Path) -> None:
        self._clips, self._page, self._root = clips, page, root
        self._corpora = {name: index for index, name in enumerate(corpora)}
        self._number: dict[str, int] = {}
        self.described: list[dict[str, Any]] = []

    def __call__(self, utt: str) -> int:
        if utt not in self._number:
            if utt not in self._clips.path:
                raise InputError(f"{self._page}: clip {utt} is not in the manifest; expected it")
            self._number[utt] = len(self.described)
            self.described.append(
                {"utt": utt, "corpus": self._corpora[self._clips.corpus[utt]]}
                | {"seconds": round(self._clips.seconds[utt], 2)}
                | {"file": sounds.link(self._root / self._clips.path[utt], self._page)}
            )
        return self._number[utt]

    def sounds(self, utts: Sequence[str]) -> dict[str, str]:
        """Return the number of each clip with its audio as a data URI."""
        return {str(self(u)): sounds.data_uri(self._root / self._clips.path[u]) for u in utts}


def build(
    runs: Sequence[Run],
    clips: Clips,
    classes: Sequence[str],
    corpora: Sequence[str],
    judged: pd.DataFrame,
    settings: Mapping[str, int],
    page: str | Path,
    name: str,
    root: str | Path = ".",
) -> dict[str, Any]:
    """Return the data of a page's scripts, ready to be written as JSON.

    runs: all of the page's; those with features are shown in detail. judged: `out_of_sample`.
    settings: the config's `inside`. page: where the page will lie, below `root` like the audio.
    name: names the random draw of the map's points, so that arms of one dataset share it.
    """
    root = Path(root)
    register = _Register(clips, corpora, root / page, root)
    places = {label: index for index, label in enumerate(classes)}
    detailed = [run for run in runs if run.features is not None]
    shown = [_run(run, clips, places, settings, name, register) for run in detailed]
    wrong = suspects(judged, classes)
    total = clip_counts(judged)
    kinds, rows, heard = [], [], []
    for source in SOURCES:
        if source not in total:
            continue
        here = wrong[wrong["source"] == source]
        title, text = KINDS[source]
        first = here.head(settings["errors"])
        count = f"{len(here)} of {total[source]} are wrong"
        if len(first) < len(here):
            count += f", the {len(first)} surest are shown"
        about = {"name": source, "title": title, "text": f"{text} {count}."}
        kinds.append(about | {"wrong": len(here)})
        heard.append(list(first["utt"]))
        rows += [_suspect(row, places, register) for row in first.to_dict("records")]
    # half of the places at least are for mistakes: to judge them one has to listen
    picked = [list(one.new["utt"])[: settings["picks"]] for run in detailed for one in run.rounds]
    most = settings["embedded"]
    inside = sounds.first_of_each(heard, max(most // 2, most - sum(map(len, picked))))
    rest = [[utt for utt in utts if utt not in set(inside)] for utts in picked]
    inside += sounds.first_of_each(rest, most - len(inside))
    return {
        "classes": list(classes),
        "corpora": list(corpora),
        "truth": clips.truth is not None,
        "where": WHERE,
        "runs": shown,
        "kinds": kinds,
        "suspects": rows,
        "sounds": register.sounds(inside),
        "clips": register.described,
    }


def _suspect(
    row: Mapping[str, Any], places: Mapping[str, int], register: Callable[[str], int]
) -> dict[str, Any]:
    return {
        "clip": register(row["utt"]),
        "source": row["source"],
        "label": places[row["label"]],
        "says": places[row["says"]],
        "p_says": round(row["p_says"], 4),
        "p_label": round(row["p_label"], 4),
        "models": int(row["models"]),
        "agree": int(row["agree"]),
    }


def _run(
    run: Run,
    clips: Clips,
    places: Mapping[str, int],
    settings: Mapping[str, int],
    name: str,
    register: Callable[[str], int],
) -> dict[str, Any]:
    """Return the map and the lists of picks of one run."""
    assert run.features is not None
    utts, means = run.features
    row = {utt: index for index, utt in enumerate(utts)}
    absent = [utt for utt in run.train if utt not in row]
    if absent:
        raise InputError(
            f"fold {run.fold}: clip {absent[0]} has no features; expected those of all train clips"
        )
    found = project(means[[row[utt] for utt in run.train]])
    where = dict(zip(run.train, found.coordinates, strict=True))
    when = {utt: index for index, one in enumerate(run.rounds) for utt in one.new["utt"]}
    answers = {
        utt: label
        for one in run.rounds
        for utt, label in zip(one.new["utt"], one.new["label"], strict=True)
    }
    labels = answers if clips.truth is None else clips.truth
    chance = rng("inside map", name, run.fold, run.seed)
    points = [
        [register(utt), *(round(float(value), 4) for value in where[utt])]
        + [when.get(utt, -1), places.get(labels.get(utt, ""), -1)]
        for utt in bounded(run.train, when, settings["points"], chance)
    ]
    return {
        "fold": run.fold,
        "seed": run.seed,
        "train": len(run.train),
        "explained": [round(part, 4) for part in found.explained],
        "points": points,
        "rounds": [_round(one, clips, places, settings["picks"], register) for one in run.rounds],
    }


def _round(
    one: Round,
    clips: Clips,
    places: Mapping[str, int],
    most: int,
    register: Callable[[str], int],
) -> dict[str, Any]:
    names = list(places)
    said: dict[str, tuple[int, float]] = {}
    first = one.new.head(most)
    if one.before is not None:
        here = one.before[one.before["utt"].isin(set(first["utt"]))]
        probs = here[[f"p_{name}" for name in names]].to_numpy(dtype=float)
        for utt, row in zip(here["utt"], probs, strict=True):
            said[utt] = (int(row.argmax()), round(float(row.max()), 4))
    listed = []
    for pick in first.to_dict("records"):
        says, sure = said.get(pick["utt"], (-1, 0.0))
        truth = places.get((clips.truth or {}).get(pick["utt"], ""), -1)
        listed.append(
            {"clip": register(pick["utt"]), "rank": _whole(pick["rank"])}
            | {"score": "" if math.isnan(pick["score"]) else f"{pick['score']:.4g}"}
            | {"label": places[pick["label"]], "truth": truth, "says": says, "sure": sure}
        )
    return {
        "index": one.index,
        "tick": percent(one.budget),
        "budget": one.budget,
        "new": len(one.new),
        "listed": listed,
    }


def _whole(rank: float) -> int | str:
    return "" if math.isnan(rank) else int(rank)


@dataclass(frozen=True)
class Map:
    """Where clips lie: coordinates [N, 2], and the share of variance of each of the two axes."""

    coordinates: np.ndarray
    explained: tuple[float, float]


def project(features: np.ndarray) -> Map:
    """Return the first two principal components of features [N, D] (centred, not scaled).

    What there is no component for (fewer than two different clips or dimensions) is 0. Equal
    input gives equal output to the sign. Raises InputError for values that are not finite.
    """
    if not np.isfinite(features).all():
        raise InputError("map of the pool: a feature is not finite; expected CNN outputs of clips")
    coordinates = np.zeros((len(features), 2))
    explained = [0.0, 0.0]
    wide = features.astype(float)
    count = min(2, *features.shape)
    if len(features) > 1 and wide.var(axis=0).sum() > 0:
        pca = PCA(n_components=count, svd_solver="full").fit(wide)
        coordinates[:, :count] = pca.transform(wide)
        explained[:count] = [float(part) for part in pca.explained_variance_ratio_]
    return Map(coordinates, (explained[0], explained[1]))


def bounded(
    clips: Sequence[str], picked: Collection[str], most: int, generator: np.random.Generator
) -> list[str]:
    """Return at most `most` of `clips`, in their order, drawn by lot where there are more.

    Half of the places, or more where the rest does not need them, are for picked clips.
    """
    if len(clips) <= most:
        return list(clips)
    chosen = set(picked)
    own = [utt for utt in clips if utt in chosen]
    rest = [utt for utt in clips if utt not in chosen]
    places = max(most - len(rest), min(len(own), most // 2))
    kept = {own[i] for i in generator.permutation(len(own))[:places]}
    kept |= {rest[i] for i in generator.permutation(len(rest))[: most - len(kept)]}
    return [utt for utt in clips if utt in kept]
