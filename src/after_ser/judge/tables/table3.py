"""Table 3: other systems on the same folds, and the lead of the reference (AFTER) over them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.baselines import NOTES
from after_ser.judge.cells import at_budget, of_arm, values
from after_ser.judge.statistics import summarise
from after_ser.judge.tables import provenance, published
from after_ser.judge.tables.significance import compare, correct, difference_lines, notes_on_tests
from after_ser.judge.tables.table import Table, cell, cell_lines, frame, number
from after_ser.studies.baselines.registry import registered

METRICS = ("UA", "WA")
TESTS = ("p", "p_holm")


@dataclass(frozen=True)
class Row:
    """A row of the table: its heading, what it shows, and the paper's row that it stands for."""

    heading: str
    settings: Mapping[str, Any]
    printed: str | None

    def runs(
        self, config: Mapping[str, Any], scores: pd.DataFrame, fits: pd.DataFrame, dataset: str
    ) -> pd.DataFrame:
        """Return its rows of scores.tsv, or of baseline_scores.tsv, on a dataset."""
        if "arm" in self.settings:
            rows = of_arm(scores, config, {"dataset": dataset}, self.settings["arm"])
            return at_budget(rows, self.settings["budget"])
        of_row = (fits["baseline"] == self.settings["baseline"]) & (fits["dataset"] == dataset)
        return fits[of_row].assign(arm=self.heading, budget=1.0)


def rows_of(config: Mapping[str, Any]) -> list[Row]:
    """Return the rows of `tables.table3` in their order."""
    rows = []
    for heading, settings in config["tables"]["table3"]["rows"].items():
        if "arm" in settings:
            arm = config["arms"][settings["arm"]]
            printed = published.table3_row(arm, settings["budget"], config)
        else:
            printed = registered(config["baselines"][settings["baseline"]]["method"]).published
        rows.append(Row(heading, settings, printed))
    return rows


def for_every_seed(runs: pd.DataFrame, row: Row, config: Mapping[str, Any]) -> pd.DataFrame:
    """Return the runs of a row; of a method without chance, its one fit once for every seed.

    So that it can be paired with runs that have seeds: any other seed would give the same.
    """
    if "arm" in row.settings:
        return runs
    if registered(config["baselines"][row.settings["baseline"]]["method"]).seeded:
        return runs
    return pd.concat([runs.assign(seed=str(seed)) for seed in config["seeds"]], ignore_index=True)


def table3(
    config: Mapping[str, Any],
    scores: pd.DataFrame,
    fits: pd.DataFrame,
    summaries: Iterable[str | Path] = (),
) -> Table:
    """Return Table 3: per dataset UA and WA (percent), and the reference minus each row (points).

    scores, fits: `read_cells` of scores.tsv, `read_baselines` of baseline_scores.tsv. Differences
    are paired by fold and seed and tested over fold means; all tests of the table are one family.
    """
    wanted = config["tables"]["table3"]
    rows = rows_of(config)
    reference = next(row for row in rows if row.heading == wanted["reference"])
    cells: list[dict[str, Any]] = []
    used: dict[str, list[pd.DataFrame]] = {row.heading: [] for row in rows}
    for row, (column, dataset) in itertools.product(rows, wanted["datasets"].items()):
        own, other = (one.runs(config, scores, fits, dataset) for one in (row, reference))
        used[row.heading].append(own)
        for metric in METRICS:
            summary = None if own.empty else summarise(values(own, metric.lower(), 100))
            paper = published.table3_value(row.printed, half(config, dataset), metric)
            cells.append(cell(row.heading, column, metric, summary, paper))
        for metric in METRICS:
            what = row.heading, column, f"d{metric}"
            if row == reference:
                cells.append(cell(*what, {"note": "the reference"}))
                continue
            printed = _printed_difference(config, reference, row, dataset, metric)
            if own.empty or other.empty:
                cells.append(cell(*what, None, printed, p=None))
                continue
            pair = [
                values(for_every_seed(runs, one, config), metric.lower(), 100)
                for runs, one in ((other, reference), (own, row))
            ]
            test = compare(*pair)
            cells.append(cell(*what, test, printed, p=test["p"]))
    correct(cells)
    tested = [one for one in cells if "p" in one]
    tests = provenance.count(sum(one["p"] is not None for one in tested), "test")
    return Table(
        title="Table 3. Other systems on the same folds",
        row_title="Method",
        cells=frame(cells, TESTS),
        notes=_notes(config, rows, {name: pd.concat(part) for name, part in used.items()})
        + ([provenance.tapt_note(summaries)] if summaries else [])
        + _paper_notes(config),
        footnotes=[
            f"Differences: {reference.heading} minus the row, in percentage points, paired by fold "
            "and seed.",
            *_one_fit(config, rows),
            *notes_on_tests(tested, f"the {tests} of this table"),
        ],
        lines=_lines,
    )


def half(config: Mapping[str, Any], dataset: str) -> str | None:
    """Return which half of the printed Table 3 may stand beside a dataset: "iemocap", "merged".

    None for a corpus of its own that is not IEMOCAP: the paper has no number for it.
    """
    if published.is_beside(config["datasets"][dataset]):
        return "merged"
    target = provenance.corpora_of(config, dataset)[0]
    return "iemocap" if provenance.layout_of(config, target) == published.TARGET_LAYOUT else None


def _printed_difference(
    config: Mapping[str, Any], reference: Row, row: Row, dataset: str, metric: str
) -> float | None:
    first, second = (
        published.table3_value(one.printed, half(config, dataset), metric)
        for one in (reference, row)
    )
    return None if first is None or second is None else first - second


def _lines(row: Mapping[str, Any]) -> list[str]:
    if not str(row["metric"]).startswith("d"):
        return cell_lines(row)
    lines = difference_lines(row)
    if not math.isnan(row["published"]):
        lines.append(f"paper {number(row['published'], str(row['metric']), signed=True)}")
    return lines


def _notes(
    config: Mapping[str, Any], rows: Sequence[Row], used: Mapping[str, pd.DataFrame]
) -> list[str]:
    datasets = dict.fromkeys(config["tables"]["table3"]["datasets"].values())
    arms = [used[row.heading] for row in rows if "arm" in row.settings]
    everything = pd.concat(used.values())
    of_arms = pd.concat(arms) if arms else everything.iloc[:0]
    notes = [str(config.get("note") or "")]
    notes += [provenance.synthetic_note(config, dataset) or "" for dataset in datasets]
    notes += [provenance.dataset_note(config, dataset) for dataset in datasets]
    notes += [provenance.backbone_note(config)] if arms else []
    notes += [provenance.coverage_note(everything, None)]
    notes += [provenance.val_note(everything) or ""]
    for row in rows:
        if "baseline" in row.settings:
            notes.append(_described(config, row, used[row.heading]))
    if not of_arms.empty:
        notes += provenance.other_backbone_notes(config, of_arms)
        notes.append(provenance.pseudo_label_note(config, of_arms) or "")
        notes.append(provenance.untrained_note(of_arms) or "")
    if not everything.empty:
        notes.append(provenance.interval_note(everything))
    return [note for note in dict.fromkeys(notes) if note]


def _described(config: Mapping[str, Any], row: Row, fits: pd.DataFrame) -> str:
    """Return how a baseline differs from the original, and how it was trained here."""
    settings = config["baselines"][row.settings["baseline"]]
    known = registered(settings["method"])
    parts = ["trained on all labels of train"]
    changed = [
        f"{name} {_shown(settings[name])} ({_shown(default)})"
        for name, default in known.options.items()
        if settings.get(name, default) != default
    ]
    if changed:
        parts.append(f"options other than the method's own (in brackets): {', '.join(changed)}")
    if not fits.empty and fits["epochs"].max() > 1:
        kept, run = (provenance.span(fits[name]) for name in ("best_epoch", "epochs"))
        parts.append(f"epochs kept by val loss: {kept} of {run}")
    if known.deviations:
        parts.append(f"not the original: {known.deviations}" if known.published else
                     known.deviations)  # fmt: skip
    found: dict[str, int] = {}
    for texts in fits["notes"].astype(str):
        for text in filter(None, texts.split(NOTES)):
            found[text] = found.get(text, 0) + 1
    for text, times in found.items():
        parts.append(text if times == len(fits) else f"in {times} of {len(fits)} fits: {text}")
    return f"{row.heading}: {'; '.join(parts)}."


def _shown(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, list) else str(value)


def _one_fit(config: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    once = [
        row.heading
        for row in rows
        if "baseline" in row.settings
        and not registered(config["baselines"][row.settings["baseline"]]["method"]).seeded
    ]
    if not once or len(config["seeds"]) == 1:
        return []
    return [f"No chance in {', '.join(once)}: one fit per fold, paired with every seed."]


def _paper_notes(config: Mapping[str, Any]) -> list[str]:
    datasets = dict.fromkeys(config["tables"]["table3"]["datasets"].values())
    notes = [
        "Published values (paper): its IEMOCAP columns beside IEMOCAP alone, its Merged columns "
        "beside a dataset with extra corpora. The paper prints no s.d. and no interval, and does "
        "not say how its baselines were trained; their own papers have other splits than here, and "
        'some another "happy".'
    ]
    for dataset in datasets:
        extra = published.EXTRA_LAYOUTS if half(config, dataset) == "merged" else ()
        apart = provenance.apart_from_paper(config, dataset, extra)
        if apart and half(config, dataset):
            notes.append(
                f"On {dataset} this run differs from the paper in {', '.join(apart)}, so a "
                "difference from it is neither a reproduction nor a failure to reproduce."
            )
    return notes
