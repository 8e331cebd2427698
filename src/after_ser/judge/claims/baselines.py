"""Claims on other systems (paper, section 3.3, Table 3), measured where the run has that table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from after_ser.judge.cells import at_budget
from after_ser.judge.claims.claim import Claim
from after_ser.judge.claims.evidence import AFTER, METRICS, Evidence, scores_part
from after_ser.judge.claims.merged import target_alone
from after_ser.judge.claims.model import ABOVE_ZERO, SCORES, Measured, NotTestable, Part
from after_ser.judge.grid import SPLIT
from after_ser.judge.tables import published
from after_ser.judge.tables.table3 import Row, for_every_seed, rows_of

COLLAPSED = ("LSSED", "RH-emo")
#: The paper calls the fall of 48.09 and 25.06 points poor and gives no measure; this one is ours.
FALL = (-float("inf"), -10.0)


def systems(evidence: Evidence) -> dict[str, Row]:
    """Return the rows of `tables.table3` that stand for a system of the paper's, by its name.

    Raises NotTestable without such a table, or where no row of it does.
    """
    if evidence.baselines is None or "table3" not in evidence.config["tables"]:
        raise NotTestable("this config has no table3, so no other system was trained")
    found = {row.printed: row for row in rows_of(evidence.config)[::-1] if row.printed}
    found.pop("AFTER", None)
    if not found:
        raise NotTestable("no row of table3 is a system of the paper's Table 3")
    return {name: found[name] for name in published.table(3)["method"] if name in found}


def runs_of(evidence: Evidence, row: Row, dataset: str) -> pd.DataFrame:
    """Return a system's runs on a dataset, as they are paired with AFTER's."""
    assert evidence.baselines is not None
    config: Mapping[str, Any] = evidence.config
    rows = row.runs(config, evidence.scores, evidence.baselines, dataset)
    return for_every_seed(rows[rows["split"] == SPLIT], row, config)


def after(evidence: Evidence, dataset: str) -> pd.DataFrame:
    """Return AFTER's runs at 20 % on a dataset; none where it was not run there."""
    try:
        return at_budget(evidence.runs(AFTER, dataset), published.AFTER_BUDGET)
    except NotTestable:
        return evidence.scores.iloc[:0]


def has_extra(evidence: Evidence, dataset: str) -> bool:
    """Tell whether a dataset stands for the paper's Merged rather than for IEMOCAP."""
    return bool(evidence.config["datasets"][dataset].get("extra"))


def printed(name: str, merged: bool, metric: str) -> float:
    """Return a number of the printed Table 3."""
    value = published.table3_value(name, "merged" if merged else "iemocap", metric)
    assert value is not None
    return value


def beats_every_baseline(evidence: Evidence) -> Measured:
    """Compare AFTER at 20 % with every system of Table 3, on every dataset of the run's."""
    rows = systems(evidence)
    datasets = dict.fromkeys(evidence.config["tables"]["table3"]["datasets"].values())
    parts: list[Part] = []
    missing = []
    for dataset in datasets:
        ours, merged = after(evidence, dataset), has_extra(evidence, dataset)
        for name in published.table(3)["method"]:
            if name == "AFTER":
                continue
            theirs = runs_of(evidence, rows[name], dataset) if name in rows else ours.iloc[:0]
            found = []
            for metric in METRICS:
                effect = printed("AFTER", merged, metric) - printed(name, merged, metric)
                what = f"{name} on {dataset}, {metric}"
                part = scores_part(what, ours, theirs, metric, ABOVE_ZERO, effect)
                found += [] if part is None else [part]
            parts += found
            missing += [] if found else [f"{name} on {dataset}"]
    for merged, words in ((True, "extra corpora"), (False, "one corpus")):
        if all(has_extra(evidence, dataset) != merged for dataset in datasets):
            missing.append(f"a dataset of {words}")
    return Measured(
        f"AFTER at 20 % minus each system with all labels, on {' and '.join(datasets)}",
        parts,
        missing,
    )


def some_collapse(evidence: Evidence) -> Measured:
    """Compare LSSED and RH-emo trained on Merged and on the target alone, on equal test folds."""
    rows = systems(evidence)
    if not any(name in rows for name in COLLAPSED):
        raise NotTestable(f"table3 of this config has neither {' nor '.join(COLLAPSED)}")
    alone = target_alone(evidence)
    parts: list[Part] = []
    missing = []
    for name in COLLAPSED:
        found = []
        for metric in METRICS if name in rows else ():
            merged = runs_of(evidence, rows[name], evidence.dataset)
            single = runs_of(evidence, rows[name], alone)
            effect = printed(name, True, metric) - printed(name, False, metric)
            part = scores_part(f"{name}, {metric}", merged, single, metric, FALL, effect)
            found += [] if part is None else [part]
        parts += found
        missing += [] if found else [name]
    return Measured(
        f"trained on {evidence.dataset} minus trained on {alone}, tested on the same folds",
        parts,
        missing,
        "the paper gives no measure of a collapse; a fall of more than 10 points is taken for one",
    )


BEST = Claim(
    "AFTER beats every baseline",
    "AFTER outperforms all baselines with only 20%pt. labeled samples for fine-tuning.",
    "section 3.3, Table 3",
    SCORES,
    beats_every_baseline,
)
COLLAPSE = Claim(
    "LSSED and RH-emo collapse on Merged",
    "LSSSED [43] and RH-emo [44] achieved good results with the IEMOCAP but performed poorly with "
    "the Merged dataset.",
    "section 3.3, Table 3 (25.00 and 43.20 UA on Merged)",
    SCORES,
    some_collapse,
)
