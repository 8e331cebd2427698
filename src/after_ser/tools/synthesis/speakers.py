"""Speaker identities: what stays the same in everything one synthetic person says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from after_ser.core.seeding import rng


@dataclass(frozen=True)
class Speaker:
    """One voice.

    `f0` in Hz; `tract` scales formants (1 = adult male, larger = shorter tract); `tilt` in
    octaves of the source's cut-off; `jitter` and `shimmer` are relative standard deviations per
    period; `breath` in dB; `rate` is a tempo ratio; `expressivity` multiplies every emotional
    change and `habit` holds one multiplier per dimension of `emotion.Expression`, so that two
    people express one emotion differently.
    """

    name: str
    gender: str
    f0: float
    tract: float
    higher_formants: tuple[float, ...]
    tilt: float
    jitter: float
    shimmer: float
    breath: float
    rate: float
    expressivity: float
    habit: tuple[float, ...]


def make_speaker(
    corpus: str, name: str, gender: str, dimensions: int, seed: int, variety: float = 1.0
) -> Speaker:
    """Return the voice of `name` in `corpus`: fixed by its name, the corpus and the seed.

    `gender` is "female" or "male"; `dimensions` is the number of dimensions of an expression;
    `variety` widens the spread between speakers (1 = adults).
    """
    draw = rng("speaker", corpus, name, seed)
    female = gender == "female"
    f0 = (200.0 if female else 112.0) * 2 ** (draw.normal(0.0, 1.7 * variety) / 12)
    tract = (1.16 if female else 1.0) * (1 + draw.normal(0.0, 0.03 * variety))
    # Spacing of a uniform tube (500 Hz times odd numbers) with a personal deviation each.
    upper = np.array([3500.0, 4500.0, 5500.0, 6500.0, 7500.0])
    upper = upper * (1 + draw.normal(0.0, 0.025, 5))
    return Speaker(
        name=name,
        gender=gender,
        f0=float(np.clip(f0, 75.0, 300.0)),
        tract=float(tract),
        higher_formants=tuple(float(value) for value in upper),
        tilt=float(draw.normal(-0.15 if female else 0.0, 0.3 * variety)),
        jitter=float(np.exp(draw.normal(np.log(0.006), 0.3))),
        shimmer=float(np.exp(draw.normal(np.log(0.04), 0.3))),
        breath=float(draw.normal(1.5 if female else 0.0, 2.0 * variety)),
        rate=float(np.exp(draw.normal(0.0, 0.08 * variety))),
        expressivity=float(np.exp(draw.normal(0.0, 0.2))),
        habit=tuple(float(value) for value in np.exp(draw.normal(0.0, 0.25, dimensions))),
    )
