"""The notes above a table: what to know before comparing a number with the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.cells import percent
from after_ser.judge.tables import published
from after_ser.model.registry import family_named
from after_ser.run.atomic import read_json

HARDLY_TRAINED = 2  # epochs


def is_synthetic(config: Mapping[str, Any], corpus: str) -> bool:
    """Tell whether the corpus is written by the workflow's own synthesiser."""
    return config["corpora"].get(corpus, {}).get("synthetic") not in (None, False)


def corpora_of(config: Mapping[str, Any], dataset: str) -> list[str]:
    """Return the dataset's corpora, the target first."""
    settings = config["datasets"][dataset]
    return [settings["target"], *(settings.get("extra") or [])]


def layout_of(config: Mapping[str, Any], corpus: str) -> str:
    """Return the corpus's release layout, without case and punctuation."""
    return published.normal_layout(str(config["corpora"][corpus].get("layout", corpus)))


def dataset_note(config: Mapping[str, Any], dataset: str) -> str:
    """Return which corpora make up the dataset and whether they are real or synthetic."""
    target, *extra = corpora_of(config, dataset)

    def describe(corpus: str) -> str:
        kind = "synthetic" if is_synthetic(config, corpus) else "real"
        return f"{corpus} ({kind})"

    text = f"Dataset {dataset}: target {describe(target)}"
    if extra:
        text += f"; extra {', '.join(describe(corpus) for corpus in extra)}"
    inject = config["datasets"][dataset].get("inject", {})
    put = []
    if inject.get("duplicates"):
        put.append(f"{percent(inject['duplicates'])} near-duplicates")
    if inject.get("foreign"):
        put.append(f"{percent(inject['foreign']['share'])} clips of {inject['foreign']['corpus']}")
    if put:
        text += f"; put into train on purpose: {' and '.join(put)}"
    return f"{text}. Classes: {', '.join(map(str, config['classes']))}."


def synthetic_note(config: Mapping[str, Any], dataset: str) -> str | None:
    """Return the warning that belongs above every number got on synthesised speech."""
    return synthetic_speech(config, corpora_of(config, dataset))


def synthetic_speech(config: Mapping[str, Any], corpora: Sequence[str]) -> str | None:
    """Return `synthetic_note` for these corpora, whatever they are used for."""
    synthetic = [corpus for corpus in corpora if is_synthetic(config, corpus)]
    if not synthetic:
        return None
    amount = "All speech is" if len(synthetic) == len(corpora) else "Part of the speech is"
    return (
        f"{amount} synthetic (made by this workflow): the numbers show that the pipeline works "
        "and say nothing about human speech."
    )


def backbone_note(config: Mapping[str, Any], name: str | None = None) -> str:
    """Return where the weights of a backbone (None: the run's) come from, and what it has seen."""
    name = name or str(config["backbone"])
    settings = config["backbones"][name]
    if settings.get("hub"):
        revision = settings.get("revision")
        origin = settings["hub"] + (f" at revision {str(revision)[:12]}" if revision else "")
    elif settings.get("folder"):
        origin = f"local checkpoint {settings['folder']}"
    else:
        title = family_named(settings).title
        origin = f"{title} trained from scratch in this workflow, no released checkpoint"
    more = f" {settings['note']}" if settings.get("note") else ""
    return f"Backbone {name}: {origin}.{more}"


def _shown(config: Mapping[str, Any], rows: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Return the settings of the arms that rows (of any table of scores) are of."""
    return [config["arms"][arm] for arm in dict.fromkeys(rows["arm"]) if arm in config["arms"]]


def other_backbone_notes(config: Mapping[str, Any], rows: pd.DataFrame) -> list[str]:
    """Return the note of every backbone but the run's own that arms in `rows` begin from."""
    labels: dict[str, list[str]] = {}
    for arm in _shown(config, rows):
        name = arm.get("backbone", config["backbone"])
        if name != config["backbone"]:
            labels.setdefault(name, []).append(arm["label"])
    return [f"{', '.join(labels[name])} only: {backbone_note(config, name)}" for name in labels]


def pseudo_label_note(config: Mapping[str, Any], rows: pd.DataFrame) -> str | None:
    """Return what P-TAPT was made with, if an arm in `rows` starts from it; else None."""
    variants = config.get("tapt", {})
    parts = []
    for start in dict.fromkeys(arm["start"] for arm in _shown(config, rows)):
        first = variants.get(start, {}).get("first_stage")
        if first is None:
            continue
        encoder = (
            f"encoder {Path(first['checkpoint']).name} (fairseq), its CNN frozen"
            if first.get("checkpoint")
            else f"encoder of {first['scratch']['channels']} channels, trained from scratch here "
            "(published: fairseq's wav2vec large)"
        )
        clusters = ", ".join(map(str, first["clusters"]))
        parts.append(f"{start}: {encoder}, {first['steps']} steps; {clusters} clusters")
    if not parts:
        return None
    return (
        "P-TAPT has read the emotion label of every train clip before fine-tuning does. Its first "
        f"stage here: {'; '.join(parts)}."
    )


def coverage_note(rows: pd.DataFrame, paper_budgets: Iterable[float] | None) -> str:
    """Return how much of the paper's grid the rows (of scores.tsv) cover.

    `paper_budgets` is None for a table that the paper does not have.
    """
    if rows.empty:
        return (
            f"Coverage: nothing was run for this table (paper: {published.FOLDS} folds, "
            f"{published.RUNS} runs)."
        )
    there = sorted(set(rows["budget"]))
    fractions = ", ".join(percent(budget) for budget in there)
    text = (
        f"Coverage: {folds_and_seeds(rows)} (paper: {published.FOLDS} folds, {published.RUNS} runs)"
    )
    if paper_budgets is not None:
        paper = list(paper_budgets)
        covered = sum(any(abs(budget - other) < 1e-6 for other in there) for budget in paper)
        text += f"; {covered} of the paper's {len(paper)} label fractions"
    return f"{text}. Fractions run: {fractions} of the training split."


def count(number: int, noun: str) -> str:
    """Return the number with its noun, e.g. "5 folds"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def folds_and_seeds(rows: pd.DataFrame) -> str:
    """Return how many there are, e.g. "5 folds x 10 seeds"."""
    return f"{count(rows['fold'].nunique(), 'fold')} x {count(rows['seed'].nunique(), 'seed')}"


def val_note(rows: pd.DataFrame) -> str | None:
    """Return how many val labels early stopping used in addition to the labelled fraction."""
    if rows.empty:
        return None
    return (
        f"Labels besides the fraction: early stopping reads {span(rows['val_labels'])} val labels "
        f"per fold (100 % of the training split is {span(rows['n_train'])} clips)."
    )


def span(values: pd.Series) -> str:
    """Return whole numbers as "3 to 5", or as "3" where all are the same."""
    low, high = int(values.min()), int(values.max())
    return f"{low}" if low == high else f"{low} to {high}"


def tapt_note(summaries: Iterable[str | Path]) -> str:
    """Return whether the TAPT runs' losses had levelled off (from their summary.json files)."""
    flags = [read_json(path).get("levelled_off") for path in summaries]
    if not flags:
        return "TAPT: no training summary was given, so nothing is said about convergence."
    if all(flags):
        return f"TAPT: the loss had levelled off in every run ({len(flags)})."
    text = f"TAPT: the loss had levelled off in {flags.count(True)} of {len(flags)} runs"
    if False in flags:
        text += f", was still falling at the end of {flags.count(False)}"
    if None in flags:
        text += f", and {flags.count(None)} had too few steps to tell"
    return f"{text}; longer TAPT may change these numbers."


def apart_from_paper(
    config: Mapping[str, Any], dataset: str, extra_layouts: Iterable[str] = published.EXTRA_LAYOUTS
) -> list[str]:
    """Return how a dataset and the backbone differ from the paper's; `extra_layouts` are its."""
    target, *extra = corpora_of(config, dataset)
    differences = []
    if any(is_synthetic(config, corpus) for corpus in (target, *extra)):
        differences.append("speech (synthetic)")
    if layout_of(config, target) != published.TARGET_LAYOUT:
        differences.append("test corpus")
    if {layout_of(config, corpus) for corpus in extra} != set(extra_layouts):
        differences.append("extra corpora")
    hub = str(config["backbones"][config["backbone"]].get("hub") or "")
    if not hub.startswith(published.RELEASED_CHECKPOINT):
        differences.append("backbone")
    return differences


def paper_note(config: Mapping[str, Any], dataset: str) -> str:
    """Return what the published numbers were measured on, and how this run differs."""
    differences = apart_from_paper(config, dataset)
    text = (
        "Published values (paper): Merged dataset, tested on IEMOCAP sessions, wav2vec 2.0 "
        "pre-trained by its authors; the paper prints no s.d. and no interval."
    )
    return text + no_reproduction(differences)


def no_reproduction(differences: Sequence[str]) -> str:
    """Return what follows from differences to the paper, "" where there are none."""
    if not differences:
        return ""
    return (
        f" This run differs in {', '.join(differences)}, so a difference from the paper is "
        "neither a reproduction nor a failure to reproduce."
    )


def interval_note(rows: pd.DataFrame) -> str:
    """Return how the intervals were made, or why there are none."""
    folds = rows["fold"].nunique()
    if folds == 1:
        return "No interval: one fold."
    text = "Brackets: 95 % t interval over fold means, seeds averaged within their fold first."
    if folds == 2:
        text += " Two folds make it very wide (factor 12.7); it may pass 0 or 100 %."
    return text


def header_notes(
    config: Mapping[str, Any],
    dataset: str,
    rows: pd.DataFrame,
    paper_budgets: Iterable[float] | None,
    summaries: Iterable[str | Path],
) -> list[str]:
    """Return the notes above a table of scores, most important first.

    `paper_budgets` is None for a table that shows no published values.
    """
    return own_notes(
        config,
        dataset,
        rows,
        coverage_note(rows, paper_budgets),
        val_note(rows),
        untrained_note(rows),
        tapt_note(summaries),
        last=None if paper_budgets is None else paper_note(config, dataset),
    )


def own_notes(
    config: Mapping[str, Any],
    dataset: str,
    rows: pd.DataFrame,
    *middle: str | None,
    last: str | None = None,
) -> list[str]:
    """Return the notes above every table of scores, with the table's own in the middle."""
    notes = [
        str(config.get("note") or ""),
        synthetic_note(config, dataset),
        dataset_note(config, dataset),
        backbone_note(config),
        *other_backbone_notes(config, rows),
        pseudo_label_note(config, rows),
        *middle,
        interval_note(rows),
        last,
    ]
    return [note for note in notes if note]


def untrained_note(rows: pd.DataFrame) -> str | None:
    """Return how many fits early stopping took back to their first two epochs, or None if none.

    Few or one-sided labels can raise the val loss from the first epoch on. The model that is kept
    then has hardly learnt, and so has the one whose scores made the next query.
    """
    rows = rows.drop_duplicates(["arm", "dataset", "fold", "seed", "budget"])
    early = rows[rows["best_epoch"].astype(float) <= HARDLY_TRAINED]
    if early.empty:
        return None
    parts = [
        f"{int((early['budget'] == budget).sum())} of {len(there)} models at {percent(budget)}"
        for budget, there in rows.groupby("budget", sort=True)
        if (early["budget"] == budget).any()
    ]
    return (
        f"Early stopping kept epoch 1 or {HARDLY_TRAINED} in {', '.join(parts)}: these models have "
        "hardly learnt, so their scores, and queries made from them, say more about training on "
        "few labels than about which clips were chosen."
    )
