"""The claim that extra corpora help on the target corpus (paper, section 3.1.1, Table 3)."""

from __future__ import annotations

from after_ser.judge.cells import at_budget
from after_ser.judge.claims.claim import Claim
from after_ser.judge.claims.evidence import AFTER, METRICS, Evidence, scores_part
from after_ser.judge.claims.model import ABOVE_ZERO, SCORES, Measured, NotTestable, Part
from after_ser.judge.tables import published

BUDGET = 0.2


def target_alone(evidence: Evidence) -> str:
    """Return the dataset of the same target and folds without extra corpora."""
    datasets = evidence.config["datasets"]
    merged = datasets[evidence.dataset]
    if not merged.get("extra"):
        raise NotTestable(f"dataset {evidence.dataset} has no extra corpora")
    for name, other in datasets.items():
        same = all(other.get(key) == merged.get(key) for key in ("target", "folds", "inject"))
        if same and not other.get("extra"):
            return str(name)
    raise NotTestable(f"no dataset of this config is {merged['target']} alone, with equal folds")


def merged_helps(evidence: Evidence) -> Measured:
    """Compare AFTER at 20 % trained on Merged and on the target alone, on equal test folds."""
    alone = target_alone(evidence)
    merged = at_budget(evidence.runs(AFTER), BUDGET)
    single = at_budget(evidence.runs(AFTER, alone), BUDGET)
    if merged.empty or single.empty:
        lacking = evidence.dataset if merged.empty else alone
        raise NotTestable(f"AFTER was not run with 20 % of the labels on {lacking}")
    printed = published.table(3).set_index("method").loc["AFTER"]
    parts: list[Part] = []
    for metric in METRICS:
        name = metric.lower()
        effect = float(printed[f"merged_{name}"] - printed[f"iemocap_{name}"])
        part = scores_part(metric, merged, single, metric, ABOVE_ZERO, effect)
        parts += [] if part is None else [part]
    clips = [int(rows["labelled"].astype(int).mean()) for rows in (merged, single)]
    return Measured(
        f"AFTER at 20 %, trained on {evidence.dataset} minus trained on {alone}, tested on the "
        "same folds",
        parts,
        remark=f"20 % is {clips[0]} labelled clips of {evidence.dataset} and {clips[1]} of "
        f"{alone}, so a difference is not one of the speech alone",
    )


MERGED = Claim(
    "Merged helps on IEMOCAP",
    "To explore whether the Merged dataset could improve performance on a single dataset, such as "
    "IEMOCAP, […] leaving each IEMOCAP session out as the test set",
    "section 3.1.1, answered by Table 3 (76.07 and 77.41 UA)",
    SCORES,
    merged_helps,
)
