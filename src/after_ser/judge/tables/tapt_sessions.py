"""V-FT, TAPT and P-TAPT, session by session (Chen and Rudnicky, arXiv 2110.06309)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.cells import at_budget, of_arm, values
from after_ser.judge.statistics import summarise
from after_ser.judge.tables import provenance, published, published_sessions
from after_ser.judge.tables.published_sessions import AVERAGE, SESSIONS
from after_ser.judge.tables.significance import (
    compare,
    correct,
    difference_lines,
    notes_on_tests,
)
from after_ser.judge.tables.table import NO_RUN, Table, cell, frame, interval, number

EXTRA = ("published_sd", "p", "p_holm")
METRIC = "UA"
BUDGET = 1.0


def tapt_sessions(
    config: Mapping[str, Any], scores: pd.DataFrame, summaries: Iterable[str | Path] = ()
) -> Table:
    """Return the table: a row per method, UA (percent) of every test session and their average.

    A session's s.d. is over seeds, as in the paper. Below stand the differences of each two
    methods, paired by fold and seed, those of the average tested over fold means and corrected
    over all of them, and the works the paper compares itself with.
    """
    wanted = config["tables"]["tapt_sessions"]
    settings = config["datasets"][wanted["dataset"]]
    by_session = settings["folds"]["by"] == "session"
    arms: dict[str, str] = wanted["arms"]
    runs = {
        heading: values(at_budget(of_arm(scores, config, wanted, arm), BUDGET), "ua", 100)
        for heading, arm in arms.items()
    }
    printed = {
        h: published_sessions.method_of(config["arms"][arm], config) for h, arm in arms.items()
    }
    folds = [str(fold) for fold in range(1, settings["folds"]["groups"] + 1)]
    if not by_session:  # no session of ours is one of theirs
        folds = sorted({fold for rows in runs.values() for fold in rows["fold"]}, key=int)
    rows = []
    for heading, runs_here in runs.items():
        for fold in folds:
            session = fold if by_session and fold in SESSIONS else ""
            ua, sd = published_sessions.value(printed[heading], session)
            name = f"{'session' if by_session else 'fold'} {fold}"
            here = runs_here[runs_here["fold"] == fold]
            rows.append(cell(heading, name, METRIC, _over_seeds(here), ua, published_sd=sd))
        ua, _ = published_sessions.value(printed[heading], AVERAGE)
        rows.append(cell(heading, AVERAGE, METRIC, _average(runs_here), ua))
    differences = [
        row
        for first, second in combinations(arms, 2)
        for row in _differences(second, first, runs, printed, folds, by_session)
    ]
    correct(differences)
    rows += differences
    target = settings["target"]
    if provenance.layout_of(config, target) == published.TARGET_LAYOUT:
        rows += [
            cell(name, AVERAGE, METRIC, None, ua, note="published by others")
            for name, ua in published_sessions.prior().items()
        ]
    used = pd.concat(
        [at_budget(of_arm(scores, config, wanted, arm), BUDGET) for arm in arms.values()]
    )
    tested = [row for row in differences if "p" in row]
    family = (
        f"the {provenance.count(sum(row['p'] is not None for row in tested), 'test')} of this table"
    )
    return Table(
        title=f"V-FT, TAPT and P-TAPT by test session ({wanted['dataset']})",
        row_title="Method",
        cells=frame(rows, EXTRA),
        notes=provenance.own_notes(
            config,
            wanted["dataset"],
            used,
            _coverage(used),
            None if _kept_last(config, arms) else provenance.val_note(used),
            provenance.untrained_note(used),
            provenance.tapt_note(summaries),
            last=_paper_note(config, wanted["dataset"], by_session),
        ),
        footnotes=[
            _described(config, arms),
            _spread(used, settings["folds"]["groups"]),
            *notes_on_tests(tested, family),
        ],
        lines=_lines,
    )


def _over_seeds(rows: pd.DataFrame) -> dict[str, Any] | None:
    """Return mean and s.d. over the seeds of one fold, or None without a run."""
    if rows.empty:
        return None
    found = rows["value"].astype(float)
    one = len(found) == 1
    return {
        "n": len(found),
        "n_folds": 1,
        "n_seeds": len(found),
        "mean": float(found.mean()),
        "sd": None if one else float(found.std(ddof=1)),
        "note": "one seed: no s.d." if one else "s.d. over seeds",
    }


def _average(rows: pd.DataFrame) -> dict[str, Any] | None:
    return None if rows.empty else summarise(rows)


def _differences(
    second: str,
    first: str,
    runs: Mapping[str, pd.DataFrame],
    printed: Mapping[str, str | None],
    folds: list[str],
    by_session: bool,
) -> list[dict[str, Any]]:
    """Return the rows of `second` minus `first`, of which only the average has a p."""
    name = f"{second} minus {first} (points)"

    def paper(session: str) -> float | None:
        both = [published_sessions.value(printed[one], session)[0] for one in (second, first)]
        return None if both[0] is None or both[1] is None else both[0] - both[1]

    pairs = runs[second].merge(runs[first], on=["fold", "seed"], suffixes=("", "_first"))
    pairs["value"] = pairs["value"] - pairs["value_first"]
    rows = []
    for fold in folds:
        session = fold if by_session and fold in SESSIONS else ""
        column = f"{'session' if by_session else 'fold'} {fold}"
        here = _over_seeds(pairs[pairs["fold"] == fold])
        rows.append(cell(name, column, METRIC, here, paper(session)))
    if pairs.empty:
        rows.append(cell(name, AVERAGE, METRIC, None, paper(AVERAGE), p=None))
        return rows
    test = compare(runs[second], runs[first])
    rows.append(cell(name, AVERAGE, METRIC, test, paper(AVERAGE), p=test["p"]))
    return rows


def _lines(row: Mapping[str, Any]) -> list[str]:
    is_difference = str(row["row"]).endswith("(points)")
    if is_difference and row["column"] == AVERAGE:
        lines = difference_lines(row)
    else:
        mean = number(row["mean"], METRIC, signed=is_difference)
        spread = "" if math.isnan(row["sd"]) or row["column"] == AVERAGE else f" ± {row['sd']:.1f}"
        lines = [mean if mean == NO_RUN else mean + spread]
        if interval(row):
            lines.append(interval(row))
    if not math.isnan(row["published"]):
        text = f"paper {number(row['published'], METRIC, signed=is_difference)}"
        if not math.isnan(row["published_sd"]):
            text += f" ± {row['published_sd']:.1f}"
        if not math.isnan(row["difference"]):
            text += f" ({number(row['difference'], METRIC, signed=True)})"
        lines.append(text)
    return lines


def _protocol(config: Mapping[str, Any], arms: Mapping[str, str]) -> Mapping[str, Any]:
    """Return how the arms, which differ in their start only, are fine-tuned."""
    protocol: Mapping[str, Any] = config["protocols"][
        config["arms"][next(iter(arms.values()))]["protocol"]
    ]
    return protocol


def _kept_last(config: Mapping[str, Any], arms: Mapping[str, str]) -> bool:
    return bool(_protocol(config, arms)["restore"] == "last")  # then val decides nothing


def _coverage(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "Coverage: nothing was run for this table."
    return (
        f"Coverage: {provenance.folds_and_seeds(rows)} (published: {len(SESSIONS)} folds, "
        f"{published_sessions.REPEATS} repeats), all of train labelled."
    )


def _described(config: Mapping[str, Any], arms: Mapping[str, str]) -> str:
    """Return what each heading's model starts from, and how all are fine-tuned."""
    parts = []
    for heading, arm in arms.items():
        variant = config["tapt"].get(config["arms"][arm]["start"])
        if variant is None:
            parts.append(f"{heading}: fine-tuned from the backbone as it is")
            continue
        parts.append(
            f"{heading}: objective {variant['objective']}, "
            f"{100 * float(variant['mask_share']):g} % of frames masked, {variant['steps']} steps"
        )
    epochs = _protocol(config, arms)["max_epochs"]
    stop = (
        f"{epochs} epochs, the last kept" if _kept_last(config, arms) else "early stopping on val"
    )
    return f"{'; '.join(parts)}. All of train is labelled; fine-tuning: {stop}."


def _spread(rows: pd.DataFrame, folds: int) -> str:
    there = rows["fold"].nunique()
    text = f"±: s.d. over seeds within a test fold; the average is over {there} of {folds} folds"
    if there < folds:
        text += ", so it is no average of the published kind"
    return f"{text}. Differences are paired by fold and seed."


def _paper_note(config: Mapping[str, Any], dataset: str, by_session: bool) -> str:
    """Return what the published numbers were measured on, and how this run differs."""
    differences = provenance.apart_from_paper(config, dataset, extra_layouts=())
    if not by_session and "test corpus" not in differences:
        differences.append("test corpus")
    text = (
        "Published values (arXiv 2110.06309): IEMOCAP, one session held out at a time, "
        f"wav2vec2-base, {published_sessions.REPEATS} repeats of the fine-tuning alone, s.d. over "
        "them; no val was held out of train."
    )
    return text + provenance.no_reproduction(differences)
