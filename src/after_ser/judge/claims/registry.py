"""The claims in the order of their numbers, which start at 1."""

from __future__ import annotations

from after_ser.judge.claims import budget, headline, initialisation, selection, time
from after_ser.judge.claims.baselines import BEST, COLLAPSE
from after_ser.judge.claims.claim import Claim
from after_ser.judge.claims.merged import MERGED
from after_ser.judge.claims.outliers import OUTLIERS_AVOIDED
from after_ser.judge.claims.pretraining import TAPT

# A new claim goes to the end, so that a number means the same in every report.
CLAIMS: tuple[Claim, ...] = (
    *selection.CLAIMS,  # 1, 2
    TAPT,  # 3
    *initialisation.CLAIMS,  # 4, 5
    *budget.CLAIMS,  # 6, 7
    selection.ORDER,  # 8
    BEST,  # 9
    MERGED,  # 10
    COLLAPSE,  # 11
    time.LINEAR,  # 12
    *time.LESS,  # 13, 14
    OUTLIERS_AVOIDED,  # 15
    *headline.CLAIMS,  # 16, 17
)
