"""The page that looks inside one arm: self-contained HTML, charts as SVG, lists by a script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.core.cells import Cell
from after_ser.judge.cells import arm_label, percent
from after_ser.judge.render import render, source
from after_ser.judge.statistics import fold_means, summarise
from after_ser.judge.tables import provenance
from after_ser.run.atomic import write_text
from after_ser.studies.inside.charts import Panel, Point, drawn, top_of
from after_ser.studies.inside.content import build
from after_ser.studies.inside.gather import Clips, Run, read_clips, read_runs
from after_ser.studies.inside.picks import answered_table, share_table
from after_ser.studies.inside.sounds import LONGEST_S
from after_ser.studies.inside.suspects import SURE, out_of_sample, when_sure

_STRATEGIES = {
    "entropy": "those whose prediction has the highest entropy",
    "margin": "those whose two most probable classes are closest",
    "least_confidence": "those whose most probable class is least probable",
    "random": "by lot",
}
MEAN = "UA (mean of all classes)"


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
    answers, wrong = _answers(runs, clips.truth)
    own = [name for name in corpora if any(clips.corpus[u] == name for r in runs for u in r.train)]
    by_corpus = share_table(runs, clips.corpus, own, f"{first.dataset} corpora")
    told = "test" if (judged["source"] == "test").any() else "val"
    scored = scored_split(runs)
    warnings = [provenance.synthetic_note(config, first.dataset), str(config.get("note") or "")]
    page = render(
        "inside.html",
        "after_ser.studies.inside",
        title=f"Look inside: {arm_label(config, first.arm)} on {first.dataset}",
        warnings=list(filter(None, warnings)),
        notes=_notes(config, first, runs, path, len(data["sounds"])),
        runs=_runs_text(runs),
        folds=len({run.fold for run in runs}),
        known=clips.truth is not None,
        answers=answers,
        wrong_answers=wrong,
        by_class=_by_class(runs, clips, classes, first.dataset),
        by_corpus=_shares(by_corpus, own, True) if len(own) > 1 else None,
        corpus=own[0],
        scored=scored,
        recall=_recall(runs, classes, scored),
        judged=told,
        sure=when_sure(judged, classes, told),
        level=f"{100 * SURE:.0f} %",
        data=data,
        script=source("inside.js", "after_ser.studies.inside"),
    )
    write_text(Path(root) / path, page)


def _tested(runs: Sequence[Run], clips: Clips) -> set[str]:
    return {
        clips.corpus[utt] for run in runs for utt in run.predictions["utt"] if utt in clips.path
    }


def _runs_text(runs: Sequence[Run]) -> str:
    folds, seeds = len({run.fold for run in runs}), len({run.seed for run in runs})
    return f"{provenance.count(folds, 'fold')} × {provenance.count(seeds, 'seed')}"


def _notes(
    config: Mapping[str, Any], cell: Cell, runs: Sequence[Run], path: str | Path, inside: int
) -> list[str]:
    detailed = sum(run.features is not None for run in runs)
    given, labelled = runs[0].given, runs[0].rounds[-1].labelled
    brought_along = (
        f"{provenance.count(given, 'clip')} with a label before anything was asked for: nobody "
        "chose them, so they are neither in the charts of choices nor on the map; models are "
        "trained on them, too."
    )
    return [
        _how_it_works(config["arms"][cell.arm], len(runs[0].rounds), labelled),
        *([brought_along] if given else []),
        provenance.dataset_note(config, cell.dataset),
        f"Charts: means over {_runs_text(runs)}. Single clips: of "
        + ", ".join(f"fold {run.fold} seed {run.seed}" for run in runs[:detailed])
        + f" (config: inside.runs); sure mistakes in test and validation: of all {len(runs)} runs.",
        f"{inside} clips are inside this page as MP3 (the first {LONGEST_S} seconds); the "
        f"others are played from the folder of the results, where this page lies as {path}.",
    ]


def _how_it_works(arm: Mapping[str, Any], rounds: int, labelled: int) -> str:
    """Return the arm's settings as a sentence; `labelled` clips after `rounds` rounds per run."""
    strategy = arm["strategy"]
    chosen = _STRATEGIES.get(strategy, f"by the strategy {strategy}")
    if arm["schedule"] == "oneshot":
        return (
            f"{arm['label']}: starts from {arm['start']}; {rounds} random subsets, each holding "
            f"the smaller ones, up to {labelled} clips in the first run. Each is a model of its "
            "own; a “round” here is what a subset adds to the one before."
        )
    first = "clusters of the pool (K-means)" if arm["init"] == "kmeans" else "random clips"
    return (
        f"{arm['label']}: starts from {arm['start']}; round 0 takes {first}, every later round "
        f"{chosen}; {labelled} clips after round {rounds - 1} in the first run."
    )


def _answers(runs: Sequence[Run], truth: Mapping[str, str] | None) -> tuple[int, int]:
    """Return how many clips simulated annotators labelled, and how many of them wrongly."""
    if truth is None:
        return 0, 0
    new = pd.concat([one.new for run in runs for one in run.rounds])
    return len(new), int((new["utt"].map(truth) != new["label"]).sum())


def _by_class(
    runs: Sequence[Run], clips: Clips, classes: Sequence[str], dataset: str
) -> dict[str, Any]:
    """Return the classes of what was chosen; of people's, beside those of val."""
    if clips.truth is not None:
        table = share_table(runs, clips.truth, classes, f"{dataset} classes")
    else:
        table = answered_table(runs, classes)
        table["pool"] = table["value"].map(_val_shares(runs, classes))
    return _shares(table, classes, clips.truth is not None)


def _val_shares(runs: Sequence[Run], classes: Sequence[str]) -> dict[str, float]:
    """Return each class's share among the validation clips, each clip once."""
    val = pd.concat([run.predictions[run.predictions["split"] == "val"] for run in runs])
    labels = val.drop_duplicates("utt")["label"]
    labels = labels[labels.isin(list(classes))]
    return {name: float((labels == name).mean()) for name in classes} if len(labels) else {}


def _shares(table: pd.DataFrame, values: Sequence[str], known: bool) -> dict[str, Any]:
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
    return _chart(panels, [*heads, *(["by lot"] if known else [])], rows)


def _recall(runs: Sequence[Run], classes: Sequence[str], split: str) -> dict[str, Any]:
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
    return _chart(panels, heads, rows)


def _chart(
    panels: Sequence[Panel], heads: Sequence[str], rows: Sequence[Sequence[object]]
) -> dict[str, Any]:
    """Return panels for the template, and a table of their numbers."""
    top = top_of(panels)
    return {"panels": [drawn(panel, top) for panel in panels], "heads": heads, "rows": rows}


def _percent(share: float | None) -> str:
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def _interval(row: Mapping[str, Any]) -> str:
    """Return " [low, high]" within 0 to 100 %, "" where there is no interval."""
    if math.isnan(row["ci_low"]):
        return ""
    low, high = max(0.0, row["ci_low"]), min(1.0, row["ci_high"])
    return f" [{_percent(low)}, {_percent(high)}]"


def scored_split(runs: Sequence[Run]) -> str:
    """Return which split recall is shown of: test, or val where a run has no test clips."""
    tested = all((one.metrics.get("test") or {}).get("n") for run in runs for one in run.rounds)
    return "test" if tested else "val"


def recall_table(runs: Sequence[Run], classes: Sequence[str], split: str) -> pd.DataFrame:
    """Return the recall (0..1) of every class, and UA, in every round.

    Columns: value (the class or MEAN), round, budget, mean, ci_low, ci_high, n_folds, n_seeds and
    note of `summarise`, clips (of the class, each once per fold), folds (fold -> mean over its
    seeds). A class without clips in a fold has no recall there.
    """
    rows = []
    indices = sorted({one.index for run in runs for one in run.rounds})
    for value in [MEAN, *classes]:
        for index in indices:
            found, clips, budget = [], {}, 0.0
            for run in runs:
                for one in run.rounds:
                    scores = one.metrics.get(split)
                    if one.index != index or not scores:
                        continue
                    budget = one.budget
                    recall = scores["ua"] if value == MEAN else scores["recall"].get(value)
                    if recall is not None:
                        found.append({"fold": run.fold, "seed": run.seed, "value": recall})
                        clips[run.fold] = _clips(scores, value, classes)
            frame = pd.DataFrame(found, columns=["fold", "seed", "value"])
            summary = summarise(frame.astype({"value": float}))
            rows.append(
                {"value": value, "round": index, "budget": budget}
                | {key: summary[key] for key in ("mean", "ci_low", "ci_high", "n_folds", "n_seeds")}
                | {"note": summary["note"], "clips": sum(clips.values())}
                | {"folds": fold_means(frame).to_dict()}
            )
    frame = pd.DataFrame(rows)
    numbers = ["mean", "ci_low", "ci_high"]
    frame[numbers] = frame[numbers].astype(float)
    return frame


def _clips(scores: dict[str, Any], value: str, classes: Sequence[str]) -> int:
    if value == MEAN:
        return int(scores["n"])
    return int(sum(scores["confusion"][list(classes).index(value)]))
