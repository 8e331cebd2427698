"""Clips that models are sure and wrong about, without having been trained on their labels.

Candidates for label errors, ranked by how far the given label is behind the best other class: the
normalised margin of confident learning (Northcutt, Jiang and Chuang, "Confident Learning:
Estimating Uncertainty in Dataset Labels", 2021; Kuan and Mueller, "Model-agnostic label quality
scoring to detect real-world label errors", 2022), on probabilities averaged over all models that
say something of the clip. Whether the label or the model is wrong only a listener can tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from after_ser.judge.statistics import summarise
from after_ser.studies.inside.gather import Run

SURE = 0.9
COLUMNS = ["utt", "source", "label", "says", "p_says", "p_label", "models", "agree"]


def out_of_sample(
    runs: Sequence[Run], classes: Sequence[str], truth: Mapping[str, str] | None, labels_read: bool
) -> pd.DataFrame:
    """Return utt, source, label, fold, seed, p_<class>: what models say of clips new to them.

    source: test and val are the last round's predictions. pool: the clips that are still not
    labelled then, where the truth is known (simulated annotators), of detailed runs. picked: what
    the model of the round before said of a clip that was then labelled, beside the answer, of
    detailed runs. `labels_read` says that pre-training has read the labels of train (P-TAPT): then
    pool and picked are left out. Clips without a label of `classes` are left out.
    """
    numbers = [f"p_{name}" for name in classes]
    parts = []
    for run in runs:
        found = [run.predictions.rename(columns={"split": "source"})]
        if not labels_read:
            if run.pool is not None and truth is not None:
                pool = run.pool.assign(source="pool", label=run.pool["utt"].map(truth))
                found.append(pool)
            for one in run.rounds:
                if one.before is not None:
                    picked = one.new[["utt", "label"]].merge(one.before, on="utt")
                    found.append(picked.assign(source="picked"))
        part = pd.concat([one[["utt", "source", "label", *numbers]] for one in found])
        parts.append(part.assign(fold=run.fold, seed=run.seed))
    table = pd.concat(parts, ignore_index=True)
    table[numbers] = table[numbers].astype(float)
    return table[table["label"].isin(list(classes))].reset_index(drop=True)


def suspects(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return COLUMNS of every clip whose mean prediction is not its label, the surest one first.

    table: `out_of_sample`; a clip is judged once per source, and once for each answer where
    annotators who err gave it several. says: the class of highest mean
    probability; p_says, p_label: mean probabilities of it and of the label; models: how many models
    were asked; agree: how many of them say the same. Equal ones are in order of name.
    """
    if table.empty:
        return pd.DataFrame(columns=COLUMNS)
    probs = table[[f"p_{name}" for name in classes]].to_numpy(dtype=float)
    names = np.array(list(classes), dtype=object)
    rows: list[dict[str, Any]] = []
    keys = ["source", "utt", "label"]
    for (source, utt, label), where in table.groupby(keys, sort=True).indices.items():
        mean = probs[where].mean(axis=0)
        best = int(mean.argmax())
        if names[best] == label:
            continue
        rows.append(
            {"utt": utt, "source": source, "label": label, "says": names[best]}
            | {"p_says": float(mean[best]), "p_label": float(mean[names == label][0])}
            | {"models": len(where), "agree": int((probs[where].argmax(axis=1) == best).sum())}
        )
    found = pd.DataFrame(rows, columns=COLUMNS)
    margin = found["p_label"].astype(float) - found["p_says"].astype(float)
    order = found.assign(margin=margin.round(9)).sort_values(["margin", "utt"], kind="stable")
    return order[COLUMNS].reset_index(drop=True)


def clip_counts(table: pd.DataFrame) -> dict[str, int]:
    """Return how many clips were judged, by source; with two answers in two runs, one counts twice.

    So does `suspects`.
    """
    pairs = table[["source", "utt", "label"]].drop_duplicates()
    return {str(name): int(n) for name, n in pairs["source"].value_counts(sort=False).items()}


def when_sure(table: pd.DataFrame, classes: Sequence[str], source: str) -> dict[str, Any]:
    """Return `summarise` of the share right among predictions of at least SURE, and `clips`.

    A prediction of each model of each run counts, those of one source. A run without a sure
    prediction has no share. `clips` counts predictions.
    """
    here = table[table["source"] == source]
    probs = here[[f"p_{name}" for name in classes]].to_numpy(dtype=float)
    sure = here[probs.max(axis=1) >= SURE] if len(here) else here
    says = np.array(list(classes), dtype=object)[probs.argmax(axis=1)] if len(here) else []
    right = pd.Series(says == here["label"].to_numpy(), index=here.index).loc[sure.index]
    shares = right.astype(float).groupby([sure["fold"], sure["seed"]]).mean()
    frame = shares.rename("value").rename_axis(["fold", "seed"]).reset_index()
    return summarise(frame) | {"clips": len(sure), "of": len(here)}
