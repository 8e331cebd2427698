"""Reading the pseudo-labels that P-TAPT predicts, at the frames of any backbone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from after_ser.core.errors import InputError
from after_ser.model.geometry import Geometry
from after_ser.model.save import file_sha256
from after_ser.run.atomic import read_array, read_json, read_tsv

CLUSTERS = "clusters.npy"
INDEX = "index.tsv"
DESCRIBED = "clusters.json"


class PseudoLabels:
    """Cluster numbers per frame of every clip, from a folder of the clustering step.

    clusters.npy [all frames, K] holds a column per granularity, index.tsv each clip's part
    (utt, offset, frames), clusters.json the granularities and, in samples, the stride and the
    receptive field of a frame.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Read the folder; InputError where its files do not fit together."""
        folder = Path(folder)
        self._labels = read_array(folder / CLUSTERS)
        index = read_tsv(folder / INDEX)
        spans = zip(index["offset"].astype(int), index["frames"].astype(int), strict=True)
        self._parts = dict(zip(index["utt"], spans, strict=True))
        described = read_json(folder / DESCRIBED)
        self.sizes = tuple(int(size) for size in described["clusters"])
        self.stride = int(described["stride"])
        self.receptive_field = int(described["receptive_field"])
        self.sha256 = file_sha256(folder / CLUSTERS)
        total = sum(frames for _, frames in self._parts.values())
        if self._labels.shape != (total, len(self.sizes)):
            raise InputError(
                f"pseudo-labels: {folder / CLUSTERS} has shape {self._labels.shape}; expected "
                f"{(total, len(self.sizes))} as its index.tsv and clusters.json say"
            )

    def frames(self, utt: str, start: int, count: int, geometry: Geometry) -> np.ndarray:
        """Return the labels [count, K] of a backbone's frames of a crop that begins at `start`.

        Frames of the two differ in rate and width (a backbone may have 25 a second), so each
        gets the label of the frame whose centre is nearest in time.
        """
        try:
            offset, length = self._parts[utt]
        except KeyError:
            raise InputError(f"pseudo-labels: none of clip {utt}; expected one of train") from None
        centres = start + np.arange(count) * geometry.stride + geometry.receptive_field / 2
        nearest = np.rint((centres - self.receptive_field / 2) / self.stride).astype(np.int64)
        labels: np.ndarray = self._labels[offset + np.clip(nearest, 0, length - 1)]
        return labels.astype(np.int64)
