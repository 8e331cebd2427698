"""Every table and figure: its inputs, its builder, and its label and caption in report.html.

A new one needs its file (a function that returns a `Table` or a `Figure`), the model of its keys,
an entry here, and a config that asks for it. Functions are named and not imported, since each
cluster job parses the Snakefile three times and they load pandas and matplotlib.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from after_ser.core.settings import Settings
from after_ser.judge import config as keys

Config = dict[str, Any]
_VARIANT = re.compile(r"[a-z0-9_]+(-[A-Za-z0-9]+)*")


@dataclass(frozen=True)
class Report:
    """One table or figure.

    name: its key in the config's section. config: the model of its keys there. label, caption: its
    text in report.html, the caption as reStructuredText. version: raise it when a number in it
    changes, so that finished runs make it again. builder: "module:function"; it is given the
    config, then what `read.read_all` makes of the files that `reads` names (in `sources.FILES`), in
    this order, and returns a `Table` or a `Figure`. variants: whether the config may have several,
    as `table4` and `table4-savee`. suffix: of its rule and log where a table and a figure have the
    same name. unread: inputs that it does not read, which stay since a finished run would make it
    again without them.
    """

    name: str
    config: type[Settings]
    label: str
    version: str
    builder: str
    reads: tuple[str, ...]
    caption: str
    variants: bool = False
    suffix: str = ""
    also: Mapping[str, str] = field(default_factory=dict)  # output -> ending of its file
    unread: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """Return the name of the rule that makes it."""
        return self.name + self.suffix

    def build(self) -> Callable[..., Any]:
        """Return the function that makes it."""
        module, _, function = self.builder.partition(":")
        made: Callable[..., Any] = getattr(import_module(module), function)
        return made

    def label_of(self, name: str) -> str:
        """Return the label of one variant, which ends with what follows the hyphen of its name."""
        variant = name.partition("-")[2]
        return f"{self.label} ({variant})" if variant else self.label


def _by_name(*reports: Report) -> dict[str, Report]:
    return {report.name: report for report in reports}


_ROBUSTNESS = """Trained models on degraded test clips: white noise, babble of train clips,
reverberation, telephone band and low-bit-rate coding at several levels. Every model hears the
same noise on the same clip. Intervals are 95 % t intervals over folds, absent with one fold."""
_FEWSHOT = """Few-shot fine-tuning to one speaker and emotion, with pre-finetuning on n source
corpora and without (arXiv 2302.12921). Gains are in points of macro-F1 on
the same tasks, with 95 % t intervals over target speakers."""

TABLES = _by_name(
    Report(
        "table1",
        keys.Table1,
        label="1 Datasets",
        version="table1-1",
        builder="after_ser.judge.tables.table1:table1",
        reads=("composition",),
        caption="""Clips per emotion of each corpus and of the merged dataset as counted, before
        and after balancing, beside Table 1 of the paper.""",
        variants=True,
    ),
    Report(
        "table2",
        keys.Table2,
        label="2 AFTER by labelled share",
        version="table2-2",
        builder="after_ser.judge.tables.table2:table2",
        reads=("scores", "times", "summaries"),
        caption="""AFTER by share of labelled training clips: unweighted accuracy (UA, mean
        recall), weighted accuracy (WA, accuracy) and time, beside Table 2 of the paper. Time
        includes everything the cell needs: TAPT, latents, the initial set and every round up to
        it.""",
        variants=True,
        also={"time": "_time.tsv"},
    ),
    Report(
        "table3",
        keys.Table3,
        label="3 Other systems",
        version="table3-1",
        builder="after_ser.judge.tables.table3:table3",
        reads=("scores", "baselines", "summaries"),
        caption="""The other systems of Table 3 of the paper and an eGeMAPS + SVM floor, trained
        on all labels of a fold's train split, beside AFTER on some of them: same folds, same
        classes, epochs chosen on val. Differences are AFTER minus each row, paired by fold and
        seed, with a t-test over fold means, Holm-corrected over all tests of the table. The
        notes above the table say how each system differs from the original.""",
    ),
    Report(
        "table4",
        keys.Table4,
        label="4 Ablation",
        version="table4-3",
        builder="after_ser.judge.tables.table4:table4",
        reads=("scores", "summaries"),
        caption="""The ablation: with and without TAPT, random and active selection, at equal
        label budgets, beside Table 4 of the paper. Below the table is the difference between
        active and random selection from the same start, paired by fold and seed, with its 95 %
        interval and a t-test over fold means, Holm-corrected over all such tests of the table.""",
        variants=True,
        unread=("times",),
    ),
    Report(
        "claims",
        keys.Claims,
        label="Claims of the paper",
        version="claims-3",
        builder="after_ser.judge.claims.render:claims",
        reads=("scores", "times", "outliers", "baselines", "summaries"),
        caption="""Each claim of the paper, numbered and quoted, with this run's effect, its 95 %
        interval and a verdict: supported, not supported, undecided, or not testable here, with
        the reason. The single comparisons are below. The rules are in docs/claims.md.""",
        also={"parts": "_parts.tsv"},
    ),
    Report(
        "comparisons",
        keys.Comparisons,
        label="Comparisons with a reference arm",
        version="comparisons-2",
        builder="after_ser.judge.tables.comparisons:comparisons",
        reads=("scores", "summaries", "counts"),
        caption="""Each arm minus a reference arm at equal label budgets, paired by fold and
        seed: mean difference with its 95 % interval over fold means, the p-value of a paired
        t-test and its Holm correction within the table, Nadeau and Bengio's corrected resampled
        t-test, and a bootstrap interval over speakers.""",
        variants=True,
    ),
    Report(
        "learning",
        keys.Learning,
        label="Learning curves",
        version="learning-2",
        builder="after_ser.judge.tables.learning:learning",
        reads=("scores", "summaries"),
        caption="""Learning curves as single numbers: area under the curve, its difference from a
        random arm, deficiency, and the labels that an arm needs to reach the random arm's score
        with all labels.""",
        variants=True,
    ),
    Report(
        "penalty",
        keys.Penalty,
        label="Pairwise penalty matrix",
        version="penalty-2",
        builder="after_ser.judge.tables.penalty:penalty",
        reads=("scores", "summaries"),
        caption="""Pairwise comparison of strategies: the share of the label budgets at which the
        arm of the row has a significantly higher UA than the arm of the column (paired t-test
        over fold means at 0.05, not corrected).""",
        variants=True,
    ),
    Report(
        "protocol_effect",
        keys.ProtocolEffect,
        label="Protocol effect",
        version="protocol_effect-2",
        builder="after_ser.judge.tables.protocol_effect:protocol_effect",
        reads=("scores", "overlaps", "summaries"),
        caption="""The paper's protocol, the released code's, and each of its switches alone, on the
        same data and seeds. The notes below the table say how each row differs from the first;
        the overlap is the share of a query that is among the true top k.""",
        variants=True,
    ),
    Report(
        "tapt_ablation",
        keys.TaptAblation,
        label="TAPT ablation",
        version="tapt_ablation-2",
        builder="after_ser.judge.tables.tapt_ablation:tapt_ablation",
        reads=("scores", "summaries"),
        caption="""Fine-tuning from the backbone without TAPT, and after TAPT with each of the
        paper's two objectives, with both, and with wav2vec 2.0's own, fold by fold. The last
        column is the difference from no TAPT, paired by fold and seed, with its 95 % interval.""",
        variants=True,
    ),
    Report(
        "tapt_sessions",
        keys.TaptSessions,
        label="V-FT, TAPT and P-TAPT by session",
        version="tapt_sessions-1",
        builder="after_ser.judge.tables.tapt_sessions:tapt_sessions",
        reads=("scores", "summaries"),
        caption="""Fine-tuning from the backbone as it is (V-FT), after TAPT, and after P-TAPT,
        which predicts pseudo-labels of emotion states: UA on every test session as mean ± s.d.
        over seeds, and their average, beside the published values. Then all pairwise
        differences, paired by fold and seed, tested over fold means and Holm-corrected.""",
        variants=True,
    ),
    Report(
        "outliers",
        keys.Outliers,
        label="Outliers among the picks",
        version="outliers-2",
        builder="after_ser.studies.outliers.table:outliers_table",
        reads=("picks", "summaries"),
        caption="""The share of an arm's labelled clips that are useless: near-duplicates of a clip
        that it already has, clips of a foreign corpus, and clips that the simulated annotators
        labelled wrongly; beside their share in the pool and the difference from random
        selection, paired by fold and seed.""",
    ),
    Report(
        "robustness",
        keys.Robustness,
        label="Robustness",
        version="robustness_table-1",
        builder="after_ser.studies.robustness.table:robustness_table",
        reads=("noise", "summaries"),
        caption=_ROBUSTNESS,
        suffix="_table",
    ),
    Report(
        "fewshot",
        keys.Fewshot,
        label="Few-shot",
        version="fewshot_table-1",
        builder="after_ser.studies.fewshot.table:fewshot_table",
        reads=("few", "left_out", "prefinetuned"),
        caption=_FEWSHOT,
        suffix="_table",
    ),
    Report(
        "rounds",
        keys.Rounds,
        label="Rounds",
        version="rounds-2",
        builder="after_ser.judge.tables.rounds:rounds",
        reads=("metrics", "answers", "manifest"),
        caption="""Scores on the val clips and people's answers, round by round. Such a run has no
        test labels; the notes above the table say what that means.""",
    ),
)

FIGURES = _by_name(
    Report(
        "figure2",
        keys.Figure2,
        label="2 Learning curves",
        version="figure2-2",
        builder="after_ser.judge.figures.figure2:figure2",
        reads=("scores",),
        caption="""UA over the labelled ratio, one line per selection strategy and initialisation
        (open markers and dashes: random initialisation). Vertical lines are 95 % t intervals
        over folds, absent with one fold. Grey: AFTER as printed in the paper, which used other
        data unless this run has the same.""",
        variants=True,
        unread=("times",),
    ),
    Report(
        "figure3",
        keys.Figure3,
        label="3 Time",
        version="figure3-1",
        builder="after_ser.judge.figures.figure3:figure3",
        reads=("times",),
        caption="""(A) Wall time of each method by step. (B) Time over the labelled ratio, relative
        to the largest ratio that the run and the paper share, since minutes on different
        machines, corpora and models cannot be compared; the minutes are in the TSV and in the
        interactive version.""",
        variants=True,
        unread=("scores",),
    ),
    Report(
        "robustness",
        keys.RobustnessFigure,
        label="Robustness",
        version="robustness_figure-1",
        builder="after_ser.studies.robustness.figure:robustness_figure",
        reads=("noise",),
        caption=_ROBUSTNESS,
        suffix="_figure",
    ),
    Report(
        "fewshot",
        keys.Fewshot,
        label="Few-shot",
        version="fewshot_figure-1",
        builder="after_ser.studies.fewshot.figure:fewshot_figure",
        reads=("few",),
        caption=_FEWSHOT,
        suffix="_figure",
    ),
)
SECTIONS: dict[str, dict[str, Report]] = {"tables": TABLES, "figures": FIGURES}


def of_rule(rule: str) -> tuple[str, Report]:
    """Return the section ("tables" or "figures") and the entry of what a rule makes."""
    return next(
        (section, report)
        for section, reports in SECTIONS.items()
        for report in reports.values()
        if report.rule == rule
    )


def base_name(name: str) -> str:
    """Return the table or figure that a variant is one of: "table4" for "table4-savee"."""
    return name.partition("-")[0]


def may_have(section: str, name: str) -> bool:
    """Tell whether a section ("tables" or "figures") of a config may have this name."""
    report = SECTIONS[section].get(base_name(name))
    if report is None or not report.variants:
        return name in SECTIONS[section]
    return _VARIANT.fullmatch(name) is not None


def shown_in(section: str, config: Config) -> list[tuple[Report, list[str]]]:
    """Return the tables or figures that a config asks for, each with the names it has there."""
    names = sorted(config[section])
    found = {base_name(name): SECTIONS[section][base_name(name)] for name in names}
    return [(found[base], [one for one in names if base_name(one) == base]) for base in found]


def labels_of(
    kind: str, report: Report, wildcards: Mapping[str, str], drawing: str = ""
) -> dict[str, str]:
    """Return what report.html calls a table or figure (`kind`) whose name is a job's wildcard."""
    labels = {kind: report.label_of(wildcards.get("name", report.name))}
    return {**labels, "format": drawing} if drawing else labels


def for_variant(config: Config, section: str, name: str) -> Config:
    """Return the config as it is for one variant: "table4" says what "table4-savee" says."""
    items = config[section]
    return {**config, section: {**items, base_name(name): items[name]}}
