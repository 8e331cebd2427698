"""Proportional shares in whole clips, and which clips are drawn: both deterministic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from after_ser.core.seeding import derive_seed


def allocate(
    total: int,
    sizes: Sequence[int],
    lower: Sequence[int] | None = None,
    upper: Sequence[int] | None = None,
) -> list[int]:
    """Split `total` over strata in proportion to `sizes` by the largest-remainder method.

    Every share lies within [`lower`, `upper`] (default [0, size]) and the shares add up to
    `total` exactly; where the bounds bind, the rest goes where the proportional share is missed
    most. Ties go to the stratum named first. Raises ValueError where the bounds leave no solution.
    """
    low = [0] * len(sizes) if lower is None else list(lower)
    high = list(sizes) if upper is None else list(upper)
    if any(a > b for a, b in zip(low, high, strict=True)) or not sum(low) <= total <= sum(high):
        raise ValueError(f"no shares of {total} lie between {low} and {high}")
    whole = sum(sizes)
    if whole == 0:
        return low
    shares = [
        min(max(total * size // whole, a), b) for size, a, b in zip(sizes, low, high, strict=True)
    ]
    # whole * (proportional share - share), in integers so that ties are ties
    missing = [total * size - share * whole for size, share in zip(sizes, shares, strict=True)]
    strata = range(len(sizes))
    while (gap := total - sum(shares)) != 0:
        if gap > 0:
            best = max((i for i in strata if shares[i] < high[i]), key=lambda i: (missing[i], -i))
            step = 1
        else:
            best = min((i for i in strata if shares[i] > low[i]), key=lambda i: (missing[i], -i))
            step = -1
        shares[best] += step
        missing[best] -= step * whole
    return shares


def shuffled(names: Iterable[str], *source: str | int) -> list[str]:
    """Return the unique `names` in the random order of the named random source.

    A name's place depends on the name and the source alone, not on how `names` are ordered or
    on what else is among them: adding a corpus does not reshuffle the clips of the others.
    """
    return sorted(set(names), key=lambda name: (derive_seed(*source, name), name))
