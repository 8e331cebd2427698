"""Table of the few-shot study: what pre-finetuning gains, by k and number of source corpora."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.statistics import summarise
from after_ser.judge.tables import provenance
from after_ser.judge.tables.table import Table, cell, frame, interval, number
from after_ser.run.atomic import read_json
from after_ser.studies.fewshot.grid import BASELINE, sizes, starts
from after_ser.studies.fewshot.scores import SCORES, by_speaker, gains

NAMES = dict(zip(SCORES, ("macro-F1", "weighted F1", "accuracy"), strict=True))
MAIN = "macro_f1"
MOST_NAMED = 12  # of what is left out


def heading(sources: int) -> str:
    """Return how a number of source corpora is called."""
    return "Baseline" if sources == 0 else f"n = {sources}"


def point(rows: pd.DataFrame, score: str) -> dict[str, Any]:
    """Return mean and 95 % t interval over target speakers, in percent or points.

    rows: scores or gains of one k. Keys as in `summarise`, and `speakers`.
    """
    summary = summarise(by_speaker(rows, score))
    trials = rows["trial"].nunique()
    speakers = summary["n_folds"]
    note = "one speaker: no interval" if speakers == 1 else ""
    return summary | {"speakers": speakers, "n_folds": 0, "n_seeds": trials, "note": note}


def _cell(
    row: str, column: str, score: str, rows: pd.DataFrame, gain: bool = False
) -> dict[str, Any]:
    summary = point(rows, score)
    metric = f"gain in {NAMES[score]}" if gain else NAMES[score]
    return cell(row, column, metric, summary, speakers=summary["speakers"])


def _lines(row: Mapping[str, Any]) -> list[str]:
    """Return a cell's value with its interval; a gain has a sign."""
    metric = str(row["metric"])
    value = number(row["mean"], metric, signed=metric.startswith("gain"))
    return [value, interval(row)] if interval(row) else [value]


def fewshot_table(
    config: Mapping[str, Any],
    scores: pd.DataFrame,
    left_out: pd.DataFrame,
    summaries: Iterable[str | Path],
) -> Table:
    """Return the baseline's macro-F1 (percent) and the gain (points) of each n, by k.

    scores: `gather_fewshot`; left_out: left_out.tsv; summaries: summary.json of each start. The
    TSV also holds the other scores, every combination of corpora and every emotion.
    """
    difference = gains(scores, BASELINE)
    cells, more = [], []
    for k in sorted(set(scores["k"])):
        row = f"k = {k:g}"
        at = scores[scores["k"] == k]
        here = difference[difference["k"] == k]
        cells.append(_cell(row, heading(0), MAIN, at[at["sources"] == 0]))
        for n in sizes(dict(config)):
            cells.append(_cell(row, heading(n), MAIN, here[here["sources"] == n], gain=True))
        for score in SCORES:
            for n in (0, *sizes(dict(config))):
                if (score, n) != (MAIN, 0):
                    more.append(_cell(row, heading(n), score, at[at["sources"] == n]))
                if score != MAIN and n:
                    own = here[here["sources"] == n]
                    more.append(_cell(row, heading(n), score, own, gain=True))
        for start, own in here.groupby("start", sort=True):
            more.append(_cell(row, str(start), MAIN, own, gain=True))
        for (n, emotion), own in here.groupby(["sources", "emotion"], sort=True):
            more.append(_cell(row, f"{heading(n)}, {emotion}", MAIN, own, gain=True))
    return Table(
        title=f"Few-shot: pre-finetuning or none, target {config['fewshot']['target']['corpus']}",
        row_title="Training clips",
        cells=frame(cells, ["speakers"]),
        notes=_notes(config, scores, list(summaries)),
        footnotes=_footnotes(config, scores, left_out),
        tsv_only=frame(more, ["speakers"]),
        lines=_lines,
    )


def _notes(
    config: Mapping[str, Any], scores: pd.DataFrame, summaries: list[str | Path]
) -> list[str]:
    study = config["fewshot"]
    target, sources = study["target"]["corpus"], sorted(study["sources"])
    speakers, combinations = scores["speaker"].nunique(), len(starts(dict(config))) - 1
    emotions = ", ".join(sorted(set(scores["emotion"])))
    notes = [
        str(config.get("note") or ""),
        synthetic_note(config) or "",
        f"Target {target}: {provenance.count(speakers, 'speaker')}, each with its own models; a "
        f"task is one emotion ({emotions}) or not. Sources: {', '.join(sources)}, in "
        f"{provenance.count(combinations, 'combination')}.",
        provenance.backbone_note(config),
        _selection_note(scores),
        _learnt_note(summaries),
        "Published improvements (arXiv 2302.12921: 20 speakers of ESD; MSP-Podcast, MSP-IMPROV, "
        "IEMOCAP and Mandarin Affective Speech; wav2vec2-base) are drawn in that paper's figures 2 "
        "and 3; no number of them was at hand to stand beside these.",
    ]
    return [note for note in notes if note]


def synthetic_note(config: Mapping[str, Any]) -> str | None:
    """Return the warning that belongs above numbers got on synthesised speech."""
    study = config["fewshot"]
    return provenance.synthetic_speech(config, [study["target"]["corpus"], *study["sources"]])


def _selection_note(scores: pd.DataFrame) -> str:
    labels, tests = (provenance.span(scores[name]) for name in ("val_labels", "test"))
    if scores["val_labels"].max() == 0:
        return f"No labels but the k are used: the last epoch is tested, on {tests} clips a task."
    return (
        f"Labels besides the k: the epoch is chosen by macro-F1 on {labels} val clips of the "
        f"speaker; scores are on {tests} other clips of the speaker."
    )


def _learnt_note(summaries: list[str | Path]) -> str:
    heads = [head for path in summaries for head in read_json(path)["sources"].values()]
    if not heads:
        return ""
    better = sum(head["val_accuracy"] > head["val_majority"] for head in heads)
    return (
        f"Pre-finetuning: {better} of {provenance.count(len(heads), 'head')} are better on their "
        "corpus's val clips than always naming its most frequent class."
    )


def _footnotes(
    config: Mapping[str, Any], scores: pd.DataFrame, left_out: pd.DataFrame
) -> list[str]:
    speakers = scores["speaker"].nunique()
    notes = [
        "Gains are macro-F1 points over the baseline, the same start checkpoint without "
        "pre-finetuning: same clips, same first weights of the head, same order. n is the number "
        "of source corpora; its gain is averaged over the combinations of n corpora.",
    ]
    if speakers == 1:
        notes.append("No interval: one target speaker.")
    else:
        text = (
            f"Brackets: 95 % t interval over the {speakers} target speakers; emotions, trials and "
            "combinations are averaged within a speaker first. It does not say how gains vary "
            "with other source corpora, and cells are not corrected for how many there are."
        )
        if speakers < 5:
            text += f" With {speakers} speakers it is very wide and may be far off."
        notes.append(text)
    trials = config["fewshot"]["trials"]
    notes.append(
        "The k clips are half the emotion, half others; a larger k adds to a smaller one. There "
        f"are {provenance.count(trials, 'trial')} with other clips per speaker and emotion."
    )
    if len(left_out):
        said = [
            " ".join(part for part in (row["speaker"], row["emotion"], row["utt"]) if part)
            + f" ({row['reason']})"
            for row in left_out.head(MOST_NAMED).to_dict("records")
        ]
        rest = len(left_out) - MOST_NAMED
        more = f"; and {rest} more, in left_out.tsv" if rest > 0 else ""
        notes.append(f"Left out: {'; '.join(said)}{more}.")
    return notes
