"""Claims on other systems (paper, section 3.3, Table 3).

This workflow builds none of Table 3's baselines, so nothing here can be measured; what the
printed table yields by itself is in `headline`.
"""

from __future__ import annotations

from after_ser.reporting import published
from after_ser.reporting.claims.evidence import Evidence
from after_ser.reporting.claims.model import SCORES, Claim, Measured, NotTestable


def _not_built(names: list[str]) -> NotTestable:
    return NotTestable(f"this workflow does not build {', '.join(names[:-1])} or {names[-1]}")


def beats_every_baseline(evidence: Evidence) -> Measured:
    """Raise NotTestable: none of Table 3's six systems is built."""
    raise _not_built([name for name in published.table(3)["method"] if name != "AFTER"])


def some_collapse(evidence: Evidence) -> Measured:
    """Raise NotTestable: neither system is built."""
    raise _not_built(["LSSED", "RH-emo"])


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
