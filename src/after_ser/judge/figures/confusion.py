"""Confusion matrix of an arm at one budget, summed over folds and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from after_ser.core.errors import InputError
from after_ser.judge.figures.style import plt, save, styled
from after_ser.judge.tables import provenance
from after_ser.run.atomic import read_json, write_tsv


def summed(paths: Iterable[str | Path], classes: list[str]) -> np.ndarray:
    """Return the test confusion counts [true, predicted] of metrics.json files, added up.

    A clip counts once per seed. Raises InputError where a file has other classes than the
    config, or where there is no file.
    """
    total = np.zeros((len(classes), len(classes)), dtype=int)
    paths = list(paths)
    if not paths:
        raise InputError("confusion matrix: no metrics.json given, expected at least one")
    for path in paths:
        test = read_json(path)["test"]
        if list(test["recall"]) != classes:
            raise InputError(
                f"{path}: classes {', '.join(test['recall'])}, expected {', '.join(classes)}"
            )
        total += np.array(test["confusion"], dtype=int)
    return total


def shares(counts: np.ndarray) -> np.ndarray:
    """Return the counts as shares of their row (0..1); NaN for a class without clips."""
    rows = counts.sum(axis=1, keepdims=True).astype(float)
    return np.divide(counts, rows, out=np.full(counts.shape, np.nan), where=rows > 0)


def confusion_table(counts: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Return the matrix as tidy rows: true, predicted, count, share of the true class."""
    part = shares(counts)
    rows = [
        {"true": true, "predicted": predicted, "count": counts[i, j], "share": part[i, j]}
        for i, true in enumerate(classes)
        for j, predicted in enumerate(classes)
    ]
    return pd.DataFrame(rows)


def _draw(counts: np.ndarray, classes: list[str], title: str, svg: Any, png: Any) -> None:
    part = shares(counts)
    size = 1.6 + 0.95 * len(classes)
    with styled():
        figure, axes = plt.subplots(figsize=(size + 1.2, size), layout="constrained")
        image = axes.imshow(part, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            share = part[row, column]
            text = "–" if np.isnan(share) else f"{100 * share:.0f} %\n({count})"
            dark = not np.isnan(share) and share > 0.55
            axes.text(
                column, row, text, ha="center", va="center", color="white" if dark else "#222222"
            )
        places = np.arange(len(classes))
        names = [f"{name}\n(n = {counts[i].sum()})" for i, name in enumerate(classes)]
        axes.set_xticks(places, classes)
        axes.set_yticks(places, names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
        figure.suptitle(title, x=0.0, ha="left", fontsize=11)
        save(figure, svg, png)


def _title(config: Mapping[str, Any], paths: list[str | Path], name: str) -> str:
    budgets = sorted({round(float(read_json(path)["budget"]), 6) for path in paths})
    fractions = ", ".join(f"{round(100 * budget, 4):g} %" for budget in budgets)
    kind = ""
    if any(provenance.is_synthetic(config, corpus) for corpus in config["corpora"]):
        kind = ", synthetic speech"
    runs = provenance.count(len(paths), "run")
    return f"{name}{kind}\n{fractions} of training labels, test clips of {runs} added up"


def write_confusion(
    config: Mapping[str, Any],
    metrics: Iterable[str | Path],
    name: str,
    svg: str | Path,
    png: str | Path,
    tsv: str | Path,
) -> None:
    """Write the matrix of the given metrics.json files; `name` is what the title calls them."""
    paths = list(metrics)
    classes = [str(label) for label in config["classes"]]
    counts = summed(paths, classes)
    write_tsv(tsv, confusion_table(counts, classes))
    _draw(counts, classes, _title(config, paths, name), svg, png)
