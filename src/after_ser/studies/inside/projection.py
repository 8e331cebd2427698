"""A map of the pool: each clip's mean CNN output on its two principal components."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from after_ser.core.errors import InputError


@dataclass(frozen=True)
class Map:
    """Where clips lie: coordinates [N, 2], and the share of variance of each of the two axes."""

    coordinates: np.ndarray
    explained: tuple[float, float]


def project(features: np.ndarray) -> Map:
    """Return the first two principal components of features [N, D] (centred, not scaled).

    What there is no component for (fewer than two different clips or dimensions) is 0. Equal
    input gives equal output to the sign. Raises InputError for values that are not finite.
    """
    if not np.isfinite(features).all():
        raise InputError("map of the pool: a feature is not finite; expected CNN outputs of clips")
    coordinates = np.zeros((len(features), 2))
    explained = [0.0, 0.0]
    wide = features.astype(float)
    count = min(2, *features.shape)
    if len(features) > 1 and wide.var(axis=0).sum() > 0:
        pca = PCA(n_components=count, svd_solver="full").fit(wide)
        coordinates[:, :count] = pca.transform(wide)
        explained[:count] = [float(part) for part in pca.explained_variance_ratio_]
    return Map(coordinates, (explained[0], explained[1]))


def bounded(
    clips: Sequence[str], picked: Collection[str], most: int, generator: np.random.Generator
) -> list[str]:
    """Return at most `most` of `clips`, in their order, drawn by lot where there are more.

    Half of the places, or more where the rest does not need them, are for picked clips.
    """
    if len(clips) <= most:
        return list(clips)
    chosen = set(picked)
    own = [utt for utt in clips if utt in chosen]
    rest = [utt for utt in clips if utt not in chosen]
    places = max(most - len(rest), min(len(own), most // 2))
    kept = {own[i] for i in generator.permutation(len(own))[:places]}
    kept |= {rest[i] for i in generator.permutation(len(rest))[: most - len(kept)]}
    return [utt for utt in clips if utt in kept]
