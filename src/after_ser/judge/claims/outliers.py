"""The claim that active selection avoids noise and outliers (paper, sections 3.3 and 3.4).

The paper has no numbers on it. It can be measured where useless clips were injected into the pool,
which is what the table `outliers` counts.
"""

from __future__ import annotations

import math

from after_ser.judge.cells import arm_label, percent
from after_ser.judge.claims.evidence import Evidence
from after_ser.judge.claims.model import BELOW_ZERO, POINTS, Measured, NotTestable, Part

KINDS = {"foreign": "outliers", "mislabelled": "noise"}  # of the table, and the paper's words
STRATEGY = "entropy"


def outliers_avoided(evidence: Evidence) -> Measured:
    """Compare the shares of foreign and mislabelled clips among entropy's picks and random's.

    Every fraction of the table counts but 100 %, where there is no choice. Near-duplicates are
    neither noise nor outliers and stay in the table.
    """
    if evidence.outliers is None:
        raise NotTestable("this config has no table outliers (injected or mislabelled clips)")
    wanted = evidence.config["tables"]["outliers"]
    arms = evidence.config["arms"]
    random = arm_label(evidence.config, wanted["random"])
    labels = {
        arm: f"{arm_label(evidence.config, arm)} minus {random}"
        for arm in wanted["arms"]
        if arms[arm]["strategy"] == STRATEGY
    }
    if not labels:
        raise NotTestable(f"the table outliers has no arm with strategy {STRATEGY}")
    rows = evidence.outliers
    parts = []
    for label in labels.values():
        for row in rows[rows["row"].eq(label) & rows["metric"].isin(list(KINDS))].to_dict(
            "records"
        ):
            if row["column"] == percent(1.0):
                continue
            summary = {
                name: None if math.isnan(row[name]) else float(row[name])
                for name in ("mean", "sd", "ci_low", "ci_high")
            }
            counts = {"n": row["n"], "n_folds": row["folds"], "n_seeds": row["seeds"]}
            summary |= {name: int(count) for name, count in counts.items()}
            if not summary["n"]:
                continue
            name = f"{label}, {row['column']}, {row['metric']} ({KINDS[row['metric']]})"
            parts.append(Part(name, POINTS, BELOW_ZERO, summary | {"note": str(row["note"])}))
    if not parts:
        raise NotTestable("the table outliers has no foreign or mislabelled clips to compare")
    missing = [
        f"{kind} clips ({word})"
        for kind, word in KINDS.items()
        if not any(f", {kind} (" in part.name for part in parts)
    ]
    return Measured(
        "share of foreign and mislabelled clips among entropy's picks minus among random ones, on "
        f"{wanted['dataset']}",
        parts,
        missing,
    )
