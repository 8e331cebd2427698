"""PowerBALD: a random batch in proportion to BALD scores (Kirsch et al. 2021)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from after_ser.select.base import Floats


def power_draw(
    scores: Floats, k: int, rng: np.random.Generator, coldness: float = 1.0
) -> npt.NDArray[np.int64]:
    """Draw min(k, N) indices without replacement, each with a chance in proportion to its score.

    scores: [N], not negative; raised to the power of `coldness` (Kirsch, Farquhar, Atighehchian,
    Jesson, Branchaud-Charron & Gal 2021, arXiv 2106.12059). Drawn as the top k of
    coldness * log(score) + Gumbel noise, which is the same distribution (Kool et al. 2019).
    Scores of zero come last, in random order. Cost O(N log N).
    """
    noise = rng.gumbel(size=len(scores))
    with np.errstate(divide="ignore"):
        keys = coldness * np.log(scores) + noise
    return np.lexsort((-noise, -keys))[: max(k, 0)].astype(np.int64)
