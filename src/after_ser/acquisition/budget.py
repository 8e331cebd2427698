"""How many clips a labelled fraction is."""

from __future__ import annotations

import math


def labelled_count(fraction: float, n_train: int) -> int:
    """Return floor(fraction * n_train + 0.5), at least one and at most n_train clips.

    Python's round() would send halves to the even neighbour, so it is not used. The product is
    rounded to nine digits first: 0.15 * 10 is 1.4999999999999998 in binary.
    """
    count = math.floor(round(fraction * n_train, 9) + 0.5)
    return min(max(count, 1), n_train)
