"""Acquisition strategies by name, and what each is shown of the clips.

Imports nothing heavy: the Snakefile reads this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from after_ser.select.base import Strategy


@dataclass(frozen=True)
class Feature:
    """Something a strategy is shown of the clips, and the function that computes it.

    name:     what the strategy asks PoolView for. One that begins with "labelled_" has a row for
              each clip that is labelled already, any other a row for each clip of the pool.
    function: "module:function", called with a `select.features.Inputs` and the options; it
              may lie in the strategy's own file. Empty for what pool.tsv has anyway.
    reads:    which inputs of the query's job the function reads: "model" (of the round before),
              "latents" (of its start), "cnn_latents" (of the pre-trained model), "surprisal". The
              rules give no others, and a job that reads the model is given a GPU.
    options:  keywords of the function, and their defaults.
    """

    name: str
    function: str = ""
    reads: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """Where a strategy is ("module:class") and what it is shown; nothing else is.

    options:  keywords of its constructor, and their defaults.
    per_clip: whether it has `scores`, i.e. gives every clip a score and takes the largest.
    """

    path: str
    features: tuple[Feature, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    per_clip: bool = False

    @property
    def reads(self) -> frozenset[str]:
        """Return the inputs that its features are computed from, besides pool.tsv."""
        return frozenset().union(*(feature.reads for feature in self.features))

    @property
    def defaults(self) -> dict[str, Any]:
        """Return every option that a config may set, its features' included."""
        return {
            **self.options,
            **{name: value for each in self.features for name, value in each.options.items()},
        }


MODEL = frozenset({"model", "latents"})
_PACKAGE = "after_ser.select"
_FEATURES = f"{_PACKAGE}.features"

PROBS = Feature("probs")
#: Under so many stochastic passes of MC dropout.
MC_PROBS = Feature("mc_probs", f"{_FEATURES}:mc_probs", MODEL, {"passes": 10})
EMBEDDINGS = Feature("embeddings", f"{_FEATURES}:embeddings", MODEL)
LABELLED_PROBS = Feature("labelled_probs", f"{_FEATURES}:labelled_probs", MODEL)
LABELLED_EMBEDDINGS = Feature("labelled_embeddings", f"{_FEATURES}:labelled_embeddings", MODEL)
#: In equal parts of a clip's time; how often and how much of it is masked (span in frames).
SURPRISAL = Feature(
    "surprisal",
    f"{_FEATURES}:surprisal",
    frozenset({"surprisal"}),
    {"bins": 50, "maskings": 4, "mask_share": 0.15, "mask_span": 10},
)
CNN_MEANS = Feature("cnn_means", f"{_FEATURES}:cnn_means", frozenset({"cnn_latents"}))

STRATEGIES = {
    "random": Entry(f"{_PACKAGE}.random:Random"),
    "entropy": Entry(f"{_PACKAGE}.entropy:Entropy", (PROBS,), per_clip=True),
    "least_confidence": Entry(
        f"{_PACKAGE}.least_confidence:LeastConfidence", (PROBS,), per_clip=True
    ),
    "margin": Entry(f"{_PACKAGE}.margin:Margin", (PROBS,), per_clip=True),
    "alps": Entry(f"{_PACKAGE}.alps:Alps", (SURPRISAL,)),
    "bald": Entry(f"{_PACKAGE}.bald:Bald", (MC_PROBS,), per_clip=True),
    "batchbald": Entry(
        f"{_PACKAGE}.batchbald:BatchBald", (MC_PROBS,), {"samples": 10000, "min_left": 0.05}
    ),
    "badge": Entry(f"{_PACKAGE}.badge:Badge", (PROBS, EMBEDDINGS)),
    "coreset": Entry(f"{_PACKAGE}.coreset:GreedyKCentre", (EMBEDDINGS, LABELLED_EMBEDDINGS)),
    "cal": Entry(
        f"{_PACKAGE}.cal:ContrastiveAcquisition",
        (PROBS, EMBEDDINGS, LABELLED_PROBS, LABELLED_EMBEDDINGS),
        {"neighbours": 10},
        per_clip=True,
    ),
    "kmeans": Entry(f"{_PACKAGE}.kmeans:PoolKMeans", (CNN_MEANS,), {"k_min": 2, "k_max": 10}),
}


def options_of(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a strategy: its defaults, replaced by those that are given."""
    return {**STRATEGIES[name].defaults, **given}


def strategy(name: str, options: Mapping[str, Any] | None = None) -> Strategy:
    """Return the strategy called `name`, its options replaced by those of `options` it knows."""
    entry = STRATEGIES[name]
    chosen: Strategy = load(entry.path)(**known_options(entry.options, options))
    return chosen


def known_options(
    defaults: Mapping[str, Any], given: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """Return the defaults, replaced by those of `given` that are among them."""
    return {name: (given or {}).get(name, default) for name, default in defaults.items()}


def load(path: str) -> Any:
    """Return what "module:name" names."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
