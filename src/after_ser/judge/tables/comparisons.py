"""Each arm minus a reference arm at equal budgets: difference, intervals and tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from after_ser.judge.bootstrap import COUNTS, bootstrap_ua_difference
from after_ser.judge.cells import at_budget, of_arm, percent, unique_labels, values
from after_ser.judge.comparison import FEWEST_FOLDS, nadeau_bengio
from after_ser.judge.tables import provenance
from after_ser.judge.tables.significance import (
    compare,
    difference_lines,
    notes_on_tests,
    p_text,
    per_metric,
)
from after_ser.judge.tables.table import Table, cell, frame, number

METRICS = ("UA", "WA")
EXTRA = ("p", "p_holm", "p_nb", "speakers", "boot_mean", "boot_low", "boot_high")


def comparisons(
    config: Mapping[str, Any],
    scores: pd.DataFrame,
    summaries: Iterable[str | Path] = (),
    counts: pd.DataFrame | None = None,
) -> Table:
    """Return the table `comparisons`: every arm minus the reference, in percentage points.

    `counts` are `judge.bootstrap.gather_counts` of the table's cells; without them there
    are no intervals over speakers. Holm's correction is made per metric, over all tests of it.
    """
    wanted = config["tables"]["comparisons"]
    names = unique_labels(config, [wanted["reference"], *wanted["arms"]])
    runs = {arm: of_arm(scores, config, wanted, arm) for arm in names}
    ratio = 1 / (config["datasets"][wanted["dataset"]]["folds"]["groups"] - 1)
    rows: list[dict[str, Any]] = []
    used: list[pd.DataFrame] = []
    speaker_notes: dict[str, None] = {}
    for arm in wanted["arms"]:
        for budget in wanted["budgets"]:
            pair = [at_budget(runs[one], budget) for one in (arm, wanted["reference"])]
            used += pair
            boot = _over_speakers(counts, wanted, arm, budget) if counts is not None else {}
            if boot.get("note"):
                speaker_notes[boot["note"]] = None
            for metric in METRICS:
                row = _row(names[arm], percent(budget), metric, pair, ratio)
                rows.append(row | _columns(boot) if metric == "UA" else row)
    footnotes = notes_on_tests(rows, per_metric(rows, "metric", METRICS))
    if any(row["p_nb"] is not None for row in rows):
        footnotes.append(
            "N–B: Nadeau and Bengio's corrected resampled t-test over all fold x seed differences, "
            f"n_test/n_train = {ratio:.3g} from the number of folds; not corrected for how many "
            "there are."
        )
    if counts is not None:
        footnotes.append(
            "Speakers: 95 % bootstrap interval of the UA difference, whole speakers drawn with "
            "replacement, test clips of all folds pooled, averaged over seeds. Its centre is the "
            "pooled difference (boot_mean of the TSV), not the mean of the folds'."
        )
    footnotes += [f"{note[0].upper()}{note[1:]}." for note in speaker_notes]
    rows_used = pd.concat(used).drop_duplicates() if used else scores.iloc[:0]
    reference = names[wanted["reference"]]
    return Table(
        title=f"Differences to {reference} at equal budgets ({wanted['dataset']})",
        row_title=f"Arm minus {reference}, points",
        cells=frame(rows, EXTRA),
        notes=provenance.header_notes(config, wanted["dataset"], rows_used, None, summaries),
        footnotes=footnotes,
        lines=_lines,
    )


def _row(
    name: str, column: str, metric: str, pair: list[pd.DataFrame], ratio: float
) -> dict[str, Any]:
    none: dict[str, Any] = {"p": None, "p_nb": None}
    if any(part.empty for part in pair):
        return cell(name, column, metric, None, **none)
    first, second = (values(part, metric.lower(), 100) for part in pair)
    test = compare(first, second)
    corrected = nadeau_bengio(first, second, ratio)
    # the same number of folds for both: neither sees other data than these
    p_nb = corrected["p"] if test["n_folds"] >= FEWEST_FOLDS else None
    return cell(name, column, metric, test, p=test["p"], p_nb=p_nb)


def _over_speakers(
    counts: pd.DataFrame, wanted: Mapping[str, Any], arm: str, budget: float
) -> dict[str, Any]:
    here = at_budget(counts, budget)
    pair = [here[here["arm"] == one][COUNTS] for one in (arm, wanted["reference"])]
    if any(part.empty for part in pair):
        return {}
    # one source for all cells, so that they are evaluated on the same draws of speakers
    return bootstrap_ua_difference(*pair, "comparisons", wanted["dataset"])


def _columns(boot: Mapping[str, Any]) -> dict[str, Any]:
    if not boot:
        return {}
    ends = {
        name: None if boot[key] is None else 100 * boot[key]
        for name, key in (("boot_mean", "mean"), ("boot_low", "ci_low"), ("boot_high", "ci_high"))
    }
    return {"speakers": boot["n_speakers"], **ends}


def _lines(row: Mapping[str, Any]) -> list[str]:
    lines = difference_lines(row)
    if not math.isnan(row["p_nb"]):
        lines.append(f"N–B p {p_text(row['p_nb'])}")
    if not math.isnan(row["boot_low"]):
        ends = (number(row[name], str(row["metric"])) for name in ("boot_low", "boot_high"))
        lines.append(f"speakers [{', '.join(ends)}]")
    return lines
