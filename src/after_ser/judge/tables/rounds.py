"""Rounds of an arm on speech without test labels: scores on val, and people's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from after_ser.core.seeding import rng
from after_ser.judge.cells import arm_label, percent
from after_ser.judge.statistics import LEVEL
from after_ser.judge.tables import provenance
from after_ser.judge.tables.table import Table, cell, frame
from after_ser.run.atomic import read_json

DRAWS = 20_000


def rounds(
    config: Mapping[str, Any],
    metrics: Sequence[str | Path],
    answers: Sequence[str | Path],
    manifest: pd.DataFrame,
) -> Table:
    """Return the table `rounds`: a row per fitted round, on the val clips.

    metrics: metrics.json of every fitted round. answers: answers.json of val and then of every
    round, nothing for a simulated oracle. manifest: the dataset's (utt, speaker).
    """
    wanted = config["tables"]["rounds"]
    found = sorted((read_json(path) for path in metrics), key=lambda one: one["round"])
    said = [read_json(path) for path in answers]
    by_round = {one["asked"]: one for one in said}
    rows: list[dict[str, Any]] = []
    for one in found:
        name = f"round {one['round']} ({percent(one['budget'])})"
        own = by_round.get(f"round{one['round']}")
        rows += [
            cell(name, "labels", "clips", _count(one["labelled"])),
            cell(name, "val", "UA", _ua(one["val"], config)),
            cell(name, "val", "WA", _wa(one["val"])),
        ]
        if own is not None:
            out = own["skipped"] + own["unusable"]
            rows.append(cell(name, "labels", "left out", _count(out)))
    return Table(
        title=f"Rounds of {arm_label(config, wanted['arm'])} ({wanted['dataset']})",
        row_title="Round",
        cells=frame(rows),
        notes=_notes(config, wanted["dataset"], found, manifest),
        footnotes=_footnotes(said),
    )


def _count(value: int) -> dict[str, Any]:
    return {"mean": float(value), "n": 1, "n_folds": 1, "n_seeds": 1, "note": ""}


def _ua(val: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return UA in percent with the interval of Jeffreys' posterior of each class's recall."""
    confusion = np.asarray(val["confusion"])
    clips = confusion.sum(axis=1)
    hits, clips = confusion.diagonal()[clips > 0], clips[clips > 0]
    draws = rng("rounds UA", config["run"]).beta(
        hits + 0.5, clips - hits + 0.5, size=(DRAWS, len(clips))
    )
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws.mean(axis=1), [tail, 1 - tail])
    value = {"mean": 100 * val["ua"], "ci_low": 100 * float(low), "ci_high": 100 * float(high)}
    return {**_count(0), **value}


def _wa(val: Mapping[str, Any]) -> dict[str, Any]:
    """Return WA in percent with Wilson's interval."""
    hits = round(val["wa"] * val["n"])
    low, high = proportion_confint(hits, val["n"], alpha=1 - LEVEL, method="wilson")
    value = {"mean": 100 * val["wa"], "ci_low": 100 * float(low), "ci_high": 100 * float(high)}
    return {**_count(0), **value}


def _notes(
    config: Mapping[str, Any],
    dataset: str,
    found: Sequence[Mapping[str, Any]],
    manifest: pd.DataFrame,
) -> list[str]:
    n_val = found[-1]["val_labels"]
    speakers = set(manifest["speaker"]) - {""}
    unnamed = int((manifest["speaker"] == "").sum())
    if len(speakers) < 2:
        apart = (
            "No speakers are known: clips of one person may be in val and in the pool, so that "
            "scores on people whom the model has not heard may be lower."
        )
    else:
        apart = "No speaker of val is in the pool."
        if unnamed:
            apart = (
                f"No named speaker of val is in the pool; of {unnamed} clips there the speaker is "
                "not known, and they may be of the same people."
            )
    empty = [name for name in config["classes"] if found[-1]["val"]["recall"][name] is None]
    notes = [
        *([config["note"]] if config.get("note") else []),
        provenance.dataset_note(config, dataset),
        provenance.backbone_note(config),
        f"There are no test labels: scores are of the {n_val} labelled val clips, by which early "
        f"stopping chose each model's epoch, and so are somewhat too high. {apart}",
    ]
    if empty:
        notes.append(
            f"val has no clip of {', '.join(empty)}: UA is the mean over the other classes."
        )
    return notes


def _footnotes(said: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        f"Brackets are {LEVEL:.0%} intervals over clips (UA: Jeffreys' posterior of each class's "
        "recall; WA: Wilson). They do not see that clips of one speaker resemble each other, nor "
        "that another val set or seed would give other numbers. Rounds are scored on the same "
        "clips: overlapping brackets do not say that two rounds are equal."
    ]
    given = sum(one["given"] for one in said[:2])
    if given:
        lines.append(f"{given} labels were brought along; they are on top of the budget.")
    for one in said:
        alpha = one["agreement"]
        if alpha["clips"]:
            value = alpha["note"] if alpha["alpha"] is None else f"{alpha['alpha']:.3f}"
            lines.append(
                f"Agreement on {one['asked']}: Krippendorff's alpha (nominal) {value}, "
                f"{alpha['annotators']} annotators, {alpha['clips']} clips with two labels or more."
            )
    out = {kind: sum(one[kind] for one in said) for kind in ("skipped", "unusable")}
    if any(out.values()):
        lines.append(
            f"{out['skipped']} clips were skipped and {out['unusable']} are unusable: nobody is "
            "asked for them again, and the next round asks for as many more."
        )
    return lines
