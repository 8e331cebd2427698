"""The page that looks inside one arm: self-contained HTML, charts as SVG, lists by a script."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.cells import Cell
from after_ser.reporting import provenance
from after_ser.reporting.cells import arm_label, percent
from after_ser.reporting.escape import ScriptJson
from after_ser.reporting.inside import words
from after_ser.reporting.inside.charts import Panel, Point, svg, top_of
from after_ser.reporting.inside.content import build
from after_ser.reporting.inside.gather import Clips, Run, read_clips, read_runs
from after_ser.reporting.inside.picks import answered_table, share_table
from after_ser.reporting.inside.recalls import MEAN, recall_table, scored_split
from after_ser.reporting.inside.suspects import out_of_sample, when_sure
from after_ser.runtime.atomic import write_text


def write_page(
    config: Mapping[str, Any], cells: Sequence[Cell], path: str | Path, root: str | Path = "."
) -> None:
    """Write the page of an arm's cells on one dataset.

    config: the resolved one. cells: those of the arm on the dataset, all folds, seeds and rounds.
    path: of the page, relative to `root` as the grid's paths are. Unless the protocol's oracle is
    simulated, no label of a train clip but what people answered is read.
    """
    first = cells[0]
    simulated = config["protocols"][first.protocol]["oracle"]["kind"] == "simulated"
    classes = [str(name) for name in config["classes"]]
    settings = config["inside"]
    runs = read_runs(cells, classes, settings["runs"], root)
    manifest = Path(root) / first.manifest
    clips = read_clips(manifest, classes, simulated)
    corpora = sorted(
        {clips.corpus[utt] for run in runs for utt in run.train} | _tested(runs, clips)
    )
    judged = out_of_sample(runs, classes, clips.truth, labels_read=first.pseudo_labelled)
    data = build(runs, clips, classes, corpora, judged, settings, path, first.dataset, root)
    sections = [
        _head(config, first, runs, path, len(data["sounds"])),
        _picks(runs, clips, classes, corpora, first.dataset),
        _recall(runs, classes),
        words.MAP,
        words.LISTS,
        _suspects(judged, classes, clips),
    ]
    text = json.dumps(data, cls=ScriptJson, ensure_ascii=False, allow_nan=False)
    folder = files("after_ser.reporting.inside")
    title = escape(f"Look inside: {arm_label(config, first.arm)} on {first.dataset}")
    page = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{folder.joinpath('inside.css').read_text(encoding='utf-8')}</style>",
        f"</head><body>\n<h1>{title}</h1>",
        *sections,
        words.PLAYER,
        f'<script type="application/json" id="data">{text}</script>',
        f"<script>{folder.joinpath('inside.js').read_text(encoding='utf-8')}</script>",
        "</body></html>\n",
    ]
    write_text(Path(root) / path, "\n".join(page))


def _tested(runs: Sequence[Run], clips: Clips) -> set[str]:
    return {
        clips.corpus[utt] for run in runs for utt in run.predictions["utt"] if utt in clips.path
    }


def _runs_text(runs: Sequence[Run]) -> str:
    folds, seeds = len({run.fold for run in runs}), len({run.seed for run in runs})
    return f"{provenance.count(folds, 'fold')} × {provenance.count(seeds, 'seed')}"


def _head(
    config: Mapping[str, Any], cell: Cell, runs: Sequence[Run], path: str | Path, inside: int
) -> str:
    detailed = sum(run.features is not None for run in runs)
    last = runs[0].rounds[-1]
    how = words.how_it_works(config["arms"][cell.arm], len(runs[0].rounds), last.labelled)
    warnings = [provenance.synthetic_note(config, cell.dataset), str(config.get("note") or "")]
    notes = [
        how,
        *words.brought_along(runs[0].given),
        provenance.dataset_note(config, cell.dataset),
        f"Charts: means over {_runs_text(runs)}. Single clips: of "
        + ", ".join(f"fold {run.fold} seed {run.seed}" for run in runs[:detailed])
        + f" (config: inside.runs); sure mistakes in test and validation: of all {len(runs)} runs.",
        f"{inside} clips are inside this page as MP3 (the first {words.LONGEST_S} seconds); the "
        f"others are played from the folder of the results, where this page lies as {path}.",
    ]
    parts = [f'<p class="warning">{escape(text)}</p>' for text in warnings if text]
    parts.append(words.INTRODUCTION)
    parts.append(f'<ul class="note">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>')
    return "\n".join(parts)


def _picks(
    runs: Sequence[Run],
    clips: Clips,
    classes: Sequence[str],
    corpora: Sequence[str],
    dataset: str,
) -> str:
    if clips.truth is None:
        by_class = answered_table(runs, classes)
        by_class["pool"] = by_class["value"].map(_val_shares(runs, classes))
    else:
        by_class = share_table(runs, clips.truth, classes, f"{dataset} classes")
    parts = [
        words.picks(_runs_text(runs), len({run.fold for run in runs}), clips.truth is not None)
    ]
    parts.append("<h3>By class</h3>")
    if clips.truth is not None:
        parts.append(_answers_note(runs, clips.truth))
    parts.append(_share_panels(by_class, classes, clips.truth is not None))
    own = [name for name in corpora if any(clips.corpus[u] == name for r in runs for u in r.train)]
    parts.append("<h3>By corpus</h3>")
    if len(own) > 1:
        by_corpus = share_table(runs, clips.corpus, own, f"{dataset} corpora")
        parts.append(_share_panels(by_corpus, own, True))
    else:
        parts.append(f"<p>All clips of the pool are of one corpus, {escape(own[0])}.</p>")
    return "\n".join(parts)


def _answers_note(runs: Sequence[Run], truth: Mapping[str, str]) -> str:
    """Say how many answers of simulated annotators differ from the corpus's labels, if any do."""
    wrong = total = 0
    for run in runs:
        for one in run.rounds:
            total += len(one.new)
            wrong += int((one.new["utt"].map(truth) != one.new["label"]).sum())
    if not wrong:
        return ""
    return (
        f'<p class="note">Classes are the corpus\'s labels; {wrong} of {total} answers of the '
        "simulated annotators differ from them.</p>"
    )


def _val_shares(runs: Sequence[Run], classes: Sequence[str]) -> dict[str, float]:
    """Return each class's share among the validation clips, each clip once."""
    val = pd.concat([run.predictions[run.predictions["split"] == "val"] for run in runs])
    labels = val.drop_duplicates("utt")["label"]
    labels = labels[labels.isin(list(classes))]
    return {name: float((labels == name).mean()) for name in classes} if len(labels) else {}


def _share_panels(table: pd.DataFrame, values: Sequence[str], known: bool) -> str:
    reference = "pool" if known else "validation"
    panels = []
    for value in values:
        points = []
        for row in table[table["value"] == value].to_dict("records"):
            text = f"round {row['round']}: {row['count']} of {row['picks']} new clips are {value}"
            text += f"; mean share {_percent(row['mean'])}{_interval(row)}"
            if not math.isnan(row["pool"]):
                text += f"; {reference} {_percent(row['pool'])}"
            if not math.isnan(row["band_low"]):
                text += f"; by lot {_percent(row['band_low'])} to {_percent(row['band_high'])}"
            points.append(
                Point(
                    percent(row["budget"]), row["mean"], row["ci_low"], row["ci_high"],
                    row["pool"], row["band_low"], row["band_high"], text,
                )
            )  # fmt: skip
        panels.append(Panel(value, points))
    heads = ["", "round", "labelled", "new clips", "of them", "mean share", "95 % CI", reference]
    rows = [
        [row["value"], row["round"], percent(row["budget"]), row["picks"], row["count"]]
        + [_percent(row["mean"]), _interval(row).strip(" []"), _percent(row["pool"])]
        + ([f"{_percent(row['band_low'])} to {_percent(row['band_high'])}"] if known else [])
        for row in table.to_dict("records")
    ]
    return _panels(panels) + _numbers([*heads, *(["by lot"] if known else [])], rows)


def _recall(runs: Sequence[Run], classes: Sequence[str]) -> str:
    split = scored_split(runs)
    table = recall_table(runs, classes, split)
    folds = sorted({fold for one in table["folds"] for fold in one}, key=lambda f: (len(f), f))
    panels = []
    for value in [MEAN, *classes]:
        here = table[table["value"] == value].to_dict("records")
        points = []
        for row in here:
            text = f"{row['value']}, {percent(row['budget'])} labelled: {_percent(row['mean'])}"
            text += f"{_interval(row)}; {row['clips']} clips in {row['n_folds']} folds"
            low, high = row["ci_low"], row["ci_high"]
            points.append(Point(percent(row["budget"]), row["mean"], low, high, text=text))
        thin = [[row["folds"].get(fold) for row in here] for fold in folds]
        panels.append(Panel(value, points, thin if len(folds) > 1 else ()))
    heads = ["", "labelled", "mean recall", "95 % CI", *(f"fold {fold}" for fold in folds), "clips"]
    rows = [
        [row["value"], percent(row["budget"]), _percent(row["mean"]), _interval(row).strip(" []")]
        + [_percent(row["folds"].get(fold, math.nan)) for fold in folds]
        + [row["clips"]]
        for row in table.to_dict("records")
    ]
    text = words.recall(split, _runs_text(runs), len(folds))
    return text + _panels(panels) + _numbers(heads, rows)


def _suspects(judged: pd.DataFrame, classes: Sequence[str], clips: Clips) -> str:
    source = "test" if (judged["source"] == "test").any() else "val"
    return words.suspects(when_sure(judged, classes, source), source, clips.truth is not None)


def _panels(panels: Sequence[Panel]) -> str:
    top = top_of(panels)
    return f'<div class="panels">{"".join(svg(panel, top) for panel in panels)}</div>'


def _numbers(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(
        f'<tr><th scope="row" class="text">{escape(str(first))}</th>'
        + "".join(f"<td>{escape(str(value))}</td>" for value in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return (
        '<details><summary>The numbers</summary><div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def _percent(share: float | None) -> str:
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def _interval(row: Mapping[str, Any]) -> str:
    """Return " [low, high]" within 0 to 100 %, "" where there is no interval."""
    if math.isnan(row["ci_low"]):
        return ""
    low, high = max(0.0, row["ci_low"]), min(1.0, row["ci_high"])
    return f" [{_percent(low)}, {_percent(high)}]"
