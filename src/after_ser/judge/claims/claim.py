"""What a claim of the paper is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from after_ser.judge.claims.evidence import Evidence
from after_ser.judge.claims.model import Arithmetic, Measured


@dataclass(frozen=True)
class Claim:
    """A claim of the paper: a name, its words, their place, and how it is measured.

    `measure` raises NotTestable where the run has nothing to measure it by. `source` names
    where the effect comes from; only those from SCORES, OUTLIERS and PRINTED are the same to
    the byte in a second run.
    """

    name: str
    quote: str
    place: str
    source: str
    measure: Callable[[Evidence], Measured | Arithmetic]
