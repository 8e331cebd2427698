"""Pools with every field that a strategy may ask for, made up for tests."""

import numpy as np

from after_ser.select.base import PoolView
from after_ser.select.registry import STRATEGIES, strategy


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def features(n=40, classes=4, seed=0, passes=6, labelled=12, dimensions=5, spread=0.8):
    """Return every field of a view but the names, rows of clips in the order of the names.

    spread: how far passes with dropout lie apart, s.d. of their logits.
    """
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 1.5, (n, classes))
    noise = draw.normal(0, spread, (n, passes, classes))
    return {
        "probs": softmax(logits),
        "mc_probs": softmax(logits[:, None, :] + noise),
        "embeddings": draw.normal(1, 1, (n, dimensions)),
        "surprisal": draw.gamma(2, 1, (n, 8)),
        "cnn_means": draw.normal(0, 1, (n, dimensions)),
        "labelled_probs": softmax(draw.normal(0, 1.5, (labelled, classes))),
        "labelled_embeddings": draw.normal(1, 1, (labelled, dimensions)),
    }


def names(n):
    return tuple(f"c/{index:05d}" for index in range(n))


def shown(name):
    """Return the names of the features that strategy `name` is shown."""
    return [feature.name for feature in STRATEGIES[name].features]


def view(fields, only=None):
    """Return the view of these fields, or of those among them that strategy `only` is shown."""
    needs = shown(only) if only else fields.keys()
    count = next(len(fields[name]) for name in fields if not name.startswith("labelled_"))
    return PoolView(names(count), {name: fields[name] for name in needs})


def select(name, fields, k, seed=0, **options):
    """Return what strategy `name` selects; it is shown nothing else than its entry says."""
    chosen = strategy(name, options)
    return chosen.select(view(fields, only=name), k, np.random.default_rng(seed))


def rows(fields, index):
    """Return the same fields for other clips of the pool; what is labelled stays."""
    return {
        name: values if name.startswith("labelled_") else values[index]
        for name, values in fields.items()
    }
