"""Squared Euclidean distances from inner products."""

from __future__ import annotations

import numpy as np

from after_ser.select.base import Floats


def squared_norms(points: Floats) -> Floats:
    """Return |x|^2 of each row of [N, D], [N]."""
    norms: Floats = np.einsum("nd,nd->n", points, points)
    return norms


def squared_distances(norms: Floats, other: Floats | float, products: Floats) -> Floats:
    """Return |x|^2 + |y|^2 - 2 x.y, [N], for N points x and one y, or one y each.

    norms: |x|^2 [N]; other: |y|^2, a number or [N]; products: x.y [N].
    Of equal points some rounding of the norms is left. It is set to zero, so that they count as
    equal.
    """
    total = norms + other
    distances: Floats = total - 2.0 * products
    distances[distances < 1e-12 * total] = 0.0
    return distances
