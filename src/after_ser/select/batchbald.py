"""BatchBALD: the batch whose labels together say most about the model (Kirsch et al. 2019)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from after_ser.core.errors import InputError
from after_ser.select.bald import mutual_information
from after_ser.select.base import Floats, PoolView, Selection, Strategy, first_of_largest
from after_ser.select.joint import Labellings
from after_ser.select.powerbald import power_draw

#: Candidates whose gain is computed at once; their upper bounds decide how many are at all.
_CANDIDATES = 64


class BatchBald(Strategy):
    """Greedy maximum of I(labels of the batch; parameters), topped up by PowerBALD.

    Kirsch, van Amersfoort & Gal 2019, Algorithm 1, with K passes with dropout as samples of the
    parameters. The gain of a clip is what its label adds to the labels of the batch so far, see
    `joint.Labellings`. The sum of all gains cannot exceed log K: once the batch tells the K passes
    apart, all that is left are ties. So when no more than the share `min_left` of log K is left to
    learn, or nothing adds to it, the rest of the batch is drawn by PowerBALD
    (`powerbald.power_draw`) from the BALD scores of the clips that are left.

    A gain can only fall while the batch grows (submodularity), so gains of earlier steps are
    upper bounds and only clips whose bound reaches the best gain are computed (lazy greedy,
    Minoux 1978). That is exact as long as all labellings are enumerated; later it is, like the
    gains themselves, as exact as the sample of labellings.

    Score: the gain for picks of BatchBALD, the BALD score for those of PowerBALD; nats.
    Details: `information_gain`, what each pick added, in nats, whoever picked it; `picked_by`,
    batchbald or powerbald.
    Cost O(M K C) per clip and step computed, at most all N, and O(M K) per clip of the top-up;
    memory O(N K C + M K). float64, likelihoods as logarithms.
    """

    def __init__(self, samples: int = 10000, min_left: float = 0.05) -> None:
        """Set the options.

        samples:  M, the most labellings of the batch that are looked at.
        min_left: share of log K that must be left to learn for BatchBALD to go on. A share and
                  not a least gain per pick, because passes that differ little gain little with
                  each pick, but by hundreds of picks.
        """
        if samples < 1 or not 0 <= min_left < 1:
            raise InputError(
                f"strategy batchbald: samples is {samples} and min_left {min_left}, "
                "expected at least 1, and from 0 to below 1"
            )
        self.samples, self.min_left = samples, min_left

    def select(self, pool: PoolView, k: int, rng: np.random.Generator) -> Selection:
        """Return k clips, those of BatchBALD first."""
        probs = pool.get("mc_probs").astype(np.float64)
        probs /= probs.sum(axis=2, keepdims=True)  # they may come from single precision
        k = min(max(k, 0), len(pool))
        bald = mutual_information(probs)
        labellings = Labellings(probs.shape[1], self.samples, rng)
        chosen, gains = self._greedy(probs, bald, k, labellings)
        left = np.setdiff1d(np.arange(len(pool)), chosen)
        drawn = left[power_draw(bald[left], k - len(chosen), rng)]
        for pick in drawn:
            gains.append(float(labellings.gains(probs[[pick]])[0]))
            labellings.extend(probs[pick])
        return Selection(
            np.concatenate([chosen, drawn]),
            np.concatenate([gains[: len(chosen)], bald[drawn]]),
            {
                "information_gain": _within(gains, math.log(probs.shape[1])),
                "picked_by": ["batchbald"] * len(chosen) + ["powerbald"] * len(drawn),
            },
        )

    def _greedy(
        self, probs: Floats, bald: Floats, k: int, labellings: Labellings
    ) -> tuple[npt.NDArray[np.int64], list[float]]:
        """Return BatchBALD's picks, at most k, and their gains; `labellings` ends with them."""
        bounds = bald.copy()  # the gains where nothing is picked yet
        chosen, gains = np.empty(0, dtype=np.int64), []
        settled = self.min_left * math.log(probs.shape[1])
        while len(chosen) < k and labellings.entropy > settled:
            pick = _best(probs, bounds, labellings)
            if bounds[pick] == 0.0:
                break
            chosen = np.append(chosen, pick)
            gains.append(float(bounds[pick]))
            bounds[pick] = -np.inf
            labellings.extend(probs[pick])
        return chosen, gains


def _best(probs: Floats, bounds: Floats, labellings: Labellings) -> int:
    """Return the clip of largest gain, the first of equals; bounds [N] of clips looked at fall.

    Clips are looked at from the largest bound down, until no bound reaches the best gain.
    """
    order = np.argsort(-bounds, kind="stable")
    order = order[: np.isfinite(bounds).sum()]  # without those that are picked
    looked_at = np.full(len(bounds), -np.inf)
    for start in range(0, len(order), _CANDIDATES):
        clips = order[start : start + _CANDIDATES]
        best = looked_at.max()
        if bounds[clips[0]] < best - 1e-9 * abs(best):
            break
        looked_at[clips] = bounds[clips] = labellings.gains(probs[clips])
    return first_of_largest(looked_at)


def _within(gains: list[float], total: float) -> list[float]:
    """Return the gains, the last ones cut so that their sum stays within `total`.

    The information itself obeys this limit; only its estimate may overshoot.
    """
    so_far, cut = 0.0, []
    for gain in gains:
        cut.append(max(min(gain, total - so_far), 0.0))
        so_far += cut[-1]
    return cut
