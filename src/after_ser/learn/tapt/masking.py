"""Which frames are hidden from the transformer, and which of them serve as negatives."""

from __future__ import annotations

import numpy as np

from after_ser.core.seeding import rng


def span_mask(
    lengths: np.ndarray, total: int, share: float, span: int, *seed: str | int, least: int = 1
) -> np.ndarray:
    """Return the mask [B, total] (True: masked) of `share` of every clip's frames, in spans.

    `lengths` [B] are the clips' frames (the rest of `total` is padding, never masked). Spans of
    a clip do not overlap, and their number is rounded up or down at random so that the expected
    share is exact (section 2.2 of the paper: 15 %); there is at least one, and at least `least`
    where that many leave half of the clip. The span of a clip shorter than two spans is shortened
    to half the clip, so that something is left to predict from; a clip of one frame has that one
    masked.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    generator = rng(*seed)
    spans = np.minimum(span, np.maximum(lengths // 2, 1))
    count = np.floor(share * lengths / spans + generator.uniform(size=len(lengths)))
    count = np.clip(count.astype(np.int64), 1, np.maximum(lengths // spans, 1))
    count = np.maximum(count, np.minimum(least, np.maximum(lengths // (2 * spans), 1)))
    # k sorted places out of length - k (span - 1), moved apart by span - 1 each, are the starts
    # of k disjoint spans, all such arrangements being equally likely
    places = lengths - count * (spans - 1)
    keys = generator.uniform(size=(len(lengths), total))
    keys[np.arange(total)[None, :] >= places[:, None]] = np.inf
    most = int(count.max())
    drawn = np.argsort(keys, axis=1, kind="stable")[:, :most]
    used = np.arange(most)[None, :] < count[:, None]
    starts = np.sort(np.where(used, drawn, total), axis=1)
    starts = starts + np.arange(most)[None, :] * (spans[:, None] - 1)
    edges = np.zeros((len(lengths), total + 1), dtype=np.int64)
    rows = np.broadcast_to(np.arange(len(lengths))[:, None], used.shape)[used]
    np.add.at(edges, (rows, starts[used]), 1)
    np.add.at(edges, (rows, (starts + spans[:, None])[used]), -1)
    return np.cumsum(edges, axis=1)[:, :total] > 0


def sample_negatives(mask: np.ndarray, count: int, *seed: str | int) -> np.ndarray:
    """Return, for every masked frame, `count` other masked frames of its clip: [M, count].

    The M masked frames are in the order of `mask` [B, T] flattened; the values index the same
    flattened axis. Drawn with replacement, as in wav2vec 2.0. The only masked frame of a clip
    has no others: it gets itself, which the objective leaves out.
    """
    rows, _ = np.nonzero(mask)
    where = np.flatnonzero(mask)
    masked = mask.sum(axis=1)
    first = np.concatenate([[0], np.cumsum(masked)])[:-1]  # of each clip, among the M
    own = np.arange(len(where)) - first[rows]
    others = masked[rows] - 1
    drawn = rng(*seed).integers(0, np.maximum(others, 1)[:, None], size=(len(where), count))
    drawn = drawn + (drawn >= own[:, None])  # skip the frame itself, the rest staying uniform
    drawn = np.where(others[:, None] == 0, own[:, None], drawn)
    return where[first[rows][:, None] + drawn]


def negatives_of_part(
    whole: np.ndarray, first: int, clips: int, count: int, *seed: str | int
) -> np.ndarray:
    """Return what `sample_negatives` draws for `clips` clips from `first` on, as indices in those.

    `whole` [B, T] is the mask of all B clips; the values index the part's T frames per clip.
    """
    before = int(whole[:first].sum())
    own = slice(before, before + int(whole[first : first + clips].sum()))
    return sample_negatives(whole, count, *seed)[own] - first * whole.shape[1]
