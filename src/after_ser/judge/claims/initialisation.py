"""Claims on strategies and initial sets (paper, section 3.2, Figure 2).

Figure 2 shows UA and prints no numbers. Its curves are compared by their mean UA over the
labelled fractions up to 20 % (normalised area under the learning curve).
"""

from __future__ import annotations

import pandas as pd

from after_ser.judge.claims.claim import Claim
from after_ser.judge.claims.evidence import Evidence, Method, curve_part
from after_ser.judge.claims.model import SCORES, Measured, NotTestable, Part

STRATEGIES = {  # of the paper, by the name of the strategy here
    "entropy": "entropy",
    "least_confidence": "least confidence",
    "margin": "margin",
    "alps": "ALPs",
    "batchbald": "BatchBALD",
}
INITS = {"kmeans": "K-means", "random": "random"}
UP_TO = 0.2


def _method(strategy: str, init: str) -> Method:
    return Method(
        f"{STRATEGIES[strategy]} after {INITS[init]} initialisation", True, strategy, init
    )


def _runs(evidence: Evidence, strategy: str, init: str) -> pd.DataFrame | None:
    try:
        return evidence.runs(_method(strategy, init))
    except NotTestable:
        return None


def kmeans_beats_random(evidence: Evidence) -> Measured:
    """Compare K-means with random initialisation for each of the paper's strategies."""
    parts: list[Part] = []
    missing = []
    for strategy, words in STRATEGIES.items():
        pair = [_runs(evidence, strategy, init) for init in INITS]
        part = None
        if pair[0] is not None and pair[1] is not None:
            part = curve_part(words, pair[0], pair[1], UP_TO)
        if part is None:
            missing.append(words)
        else:
            parts.append(part)
    if not parts:
        raise NotTestable(
            "no strategy of the paper was run with both K-means and random initialisation (and "
            f"TAPT) at two fractions up to 20 % on {evidence.dataset}"
        )
    return Measured("K-means minus random initialisation, mean UA up to 20 %", parts, missing)


def entropy_kmeans_is_best(evidence: Evidence) -> Measured:
    """Compare entropy after K-means with each other strategy and initialisation of the paper."""
    ours = evidence.runs(_method("entropy", "kmeans"))
    parts: list[Part] = []
    missing = []
    for strategy, words in STRATEGIES.items():
        for init, start in INITS.items():
            if (strategy, init) == ("entropy", "kmeans"):
                continue
            other = _runs(evidence, strategy, init)
            name = f"{words} + {start}"
            part = None if other is None else curve_part(name, ours, other, UP_TO)
            if part is None:
                missing.append(name)
            else:
                parts.append(part)
    if not parts:
        raise NotTestable(
            "no other strategy or initialisation of the paper was run beside entropy after "
            f"K-means at two fractions up to 20 % on {evidence.dataset}"
        )
    return Measured("entropy after K-means minus each other, mean UA up to 20 %", parts, missing)


CLAIMS = (
    Claim(
        "K-means beats random initialisation for every strategy",
        "the clustering-based initialization outperforms the random initialization for all AL "
        "methods.",
        "section 3.2, Figure 2",
        SCORES,
        kmeans_beats_random,
    ),
    Claim(
        "Entropy with K-means is best",
        "Entropy+Clustering is the most effective AL strategy for AFTER on the Merge dataset.",
        "section 3.2, Figure 2",
        SCORES,
        entropy_kmeans_is_best,
    ),
)
