"""P-TAPT, between its stages: the emotion states of all train clips, clustered."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from after_ser.core.errors import InputError
from after_ser.core.seeding import derive_seed
from after_ser.learn.tapt.clips import Clip
from after_ser.learn.tapt.pseudo_labels import CLUSTERS, DESCRIBED, INDEX
from after_ser.run.atomic import atomic_path, write_json, write_tsv
from after_ser.run.device import choose_device, device_name, make_deterministic, set_threads
from after_ser.run.timing import Stopwatch
from after_ser.studies.ptapt.audio import Audio
from after_ser.studies.ptapt.states import load_states

BATCH = 8192  # frames that the centres are moved by at once


def cluster_states(
    states_folder: str | os.PathLike[str],
    clips: Sequence[Clip],
    sizes: Sequence[int],
    iterations: int,
    seed: tuple[str | int, ...],
    out_folder: str | os.PathLike[str],
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Write clusters.npy, index.tsv, clusters.json and clusters_timing.json (see PseudoLabels).

    `sizes` are the numbers of clusters, one K-means (Euclidean) each, of `iterations` passes over
    all frames. Raises InputError where there are fewer frames than clusters.
    """
    watch = Stopwatch()
    set_threads(threads)
    make_deterministic()
    chosen = choose_device(device)
    model = load_states(states_folder).to(chosen)
    audio = Audio(clips, keep=False)
    shortest = model.geometry.receptive_field
    parts: list[np.ndarray] = []
    with watch.computing(), torch.inference_mode():
        for index in range(len(clips)):
            waveform = torch.from_numpy(audio.whole(index, shortest))[None].to(chosen)
            parts.append(model.embed(waveform)[0].float().cpu().numpy())
    frames = np.concatenate(parts)
    if len(frames) < max(sizes):
        raise InputError(
            f"p-tapt: {len(frames)} frames of train for {max(sizes)} clusters; expected smaller "
            "numbers (first_stage.clusters)"
        )
    kind = np.int16 if max(sizes) <= np.iinfo(np.int16).max else np.int32
    labels = np.empty((len(frames), len(sizes)), dtype=kind)
    inertia = []
    with watch.computing():
        for column, size in enumerate(sizes):
            labels[:, column], lost = kmeans(frames, size, iterations, *seed, "clusters", size)
            inertia.append(lost / len(frames))
    out = Path(out_folder)
    with atomic_path(out / CLUSTERS) as temporary:
        np.save(temporary, labels)
    counts = np.array([len(part) for part in parts])
    offsets = np.concatenate([[0], np.cumsum(counts)])[:-1]
    names = [clip.utt for clip in clips]
    write_tsv(out / INDEX, pd.DataFrame({"utt": names, "offset": offsets, "frames": counts}))
    write_json(
        out / DESCRIBED,
        {
            "clusters": [int(size) for size in sizes],
            "used": [len(np.unique(labels[:, column])) for column in range(len(sizes))],
            "mean_squared_distance": inertia,
            "iterations": iterations,
            "clips": len(clips),
            "frames": len(frames),
            "stride": model.geometry.stride,
            "receptive_field": model.geometry.receptive_field,
        },
    )
    write_json(
        out / "clusters_timing.json", watch.read("ptapt_clusters", device_name(chosen), threads)
    )


def kmeans(
    frames: np.ndarray, size: int, iterations: int, *seed: str | int
) -> tuple[np.ndarray, float]:
    """Return each frame's cluster [N] and the sum of squared distances to the centres.

    Starts from `size` random frames, as faiss does, and makes `iterations` passes over the
    frames in mini-batches. scikit-learn's other K-means adds up centres thread by thread in no
    fixed order, so its result would depend on chance where there are several threads.
    """
    from sklearn.cluster import MiniBatchKMeans

    fitted = MiniBatchKMeans(
        n_clusters=size,
        init="random",
        n_init=1,
        max_iter=iterations,
        batch_size=min(max(BATCH, 2 * size), len(frames)),
        tol=0.0,
        max_no_improvement=None,
        random_state=derive_seed(*seed) % 2**32,
    ).fit(frames)
    return fitted.labels_, float(fitted.inertia_)
