"""How many clips a labelled fraction is."""

from __future__ import annotations

import math

from after_ser.core.errors import InputError


def labelled_count(fraction: float, n_train: int) -> int:
    """Return floor(fraction * n_train + 0.5), at least one and at most n_train clips.

    Python's round() would send halves to the even neighbour, so it is not used. The product is
    rounded to nine digits first: 0.15 * 10 is 1.4999999999999998 in binary.
    """
    return min(max(_rounded(fraction, n_train), 1), n_train)


def _rounded(fraction: float, n_train: int) -> int:
    return math.floor(round(fraction * n_train, 9) + 0.5)


def initial_count(fraction: float, n_train: int, where: str) -> int:
    """Return the size of a labelled set; raises InputError where the fraction is less than a clip.

    `where` names dataset and fold in the message.
    """
    if _rounded(fraction, n_train) < 1:
        raise InputError(
            f"{where}: budget {fraction:g} of {n_train} train clips is less than one clip; "
            "expected a larger fraction or more clips"
        )
    return labelled_count(fraction, n_train)


def queried_count(fraction: float, known: int, pool: int) -> int:
    """Return how many clips of the pool a query is for, given `known` labelled ones.

    0 only where nothing is left to ask for. Raises InputError where the fraction brings no clip
    more than the one before: such a round would repeat it and look like a result of its own.
    """
    count = labelled_count(fraction, known + pool) - known
    if pool and count < 1:
        raise InputError(
            f"budget: {fraction:g} of {known + pool} train clips is not one clip more than the "
            f"{known} that are labelled already; expected a larger step or more clips"
        )
    return count
