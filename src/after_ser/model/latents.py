"""Frozen CNN outputs of clips: computed once per backbone, shared by every arm that starts there.

The CNN is not trained in fine-tuning (only transformer and head are), so its outputs can be kept.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from after_ser.core.errors import InputError
from after_ser.model.geometry import SAMPLE_RATE
from after_ser.model.registry import family_of
from after_ser.model.waveform import count_samples, read_samples, to_float
from after_ser.run.atomic import atomic_path, read_array, read_tsv, write_json, write_tsv
from after_ser.run.timing import Stopwatch

LATENTS = "latents.npy"
INDEX = "index.tsv"
MEANS = "means.npy"
TIMING = "timing.json"


def extract_latents(
    backbone_folder: str | os.PathLike[str],
    manifest_tsv: str | os.PathLike[str],
    utts: Iterable[str] | None,
    out_folder: str | os.PathLike[str],
    device: str = "auto",
    threads: int = 1,
    audio_root: str | os.PathLike[str] = ".",
    longest_s: float | None = None,
    precision: str = "float16",
) -> None:
    """Write latents.npy, index.tsv, means.npy and timing.json of a dataset's clips.

    `utts` restricts the clips (None: all of the manifest), whose order is kept; the manifest's
    paths are relative to `audio_root`. Of a clip longer than `longest_s` seconds only so much of
    its beginning is heard (None: all of it). Every clip goes through the stem alone and unpadded:
    with group norm over time (wav2vec2-base) padding would change every frame, so that a clip's
    latents would depend on its batch. latents.npy is of `precision`, [total frames, D], means.npy
    float32 [N, D], the mean over a clip's frames. Raises InputError for clips that are not in the
    manifest or cannot be read.
    """
    from after_ser.run.device import choose_device, device_name, make_deterministic, set_threads

    watch = Stopwatch()
    rows = _rows(manifest_tsv, utts)
    paths = [Path(audio_root) / path for path in rows["path"]]
    chosen = choose_device(device)
    set_threads(threads)
    make_deterministic()
    stem = family_of(backbone_folder).stem(backbone_folder, chosen)
    longest = sys.maxsize if longest_s is None else round(longest_s * SAMPLE_RATE)
    counts = [stem.geometry.frames(min(count_samples(path), longest)) for path in paths]
    frames = np.array(counts, dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(frames)])
    means = np.empty((len(paths), stem.width), dtype=np.float32)
    out = Path(out_folder)
    with atomic_path(out / LATENTS) as temporary:
        store = np.lib.format.open_memmap(
            temporary, mode="w+", dtype=precision, shape=(int(offsets[-1]), stem.width)
        )
        try:
            _reserve(temporary)
            for row, path in enumerate(paths):
                prepared = stem.prepare(to_float(read_samples(path)[:longest]))
                with watch.computing():
                    clip = stem.encode(prepared)
                kept = clip.astype(precision)
                if len(clip) != frames[row] or not np.isfinite(kept).all():
                    raise InputError(
                        f"latents: {rows['utt'].iloc[row]} ({path}) gave {len(clip)} frames, "
                        f"finite in {precision}: {bool(np.isfinite(kept).all())}; expected "
                        f"{frames[row]} finite ones"
                    )
                store[offsets[row] : offsets[row + 1]] = kept
                means[row] = clip.mean(axis=0, dtype=np.float64)
            store.flush()
        finally:
            _close(store)
    with atomic_path(out / MEANS) as temporary:
        np.save(temporary, means)
    index = pd.DataFrame({"utt": rows["utt"], "offset": offsets[:-1], "frames": frames})
    write_tsv(out / INDEX, index)
    write_json(out / TIMING, watch.read("latents", device_name(chosen), threads))


def _reserve(path: Path) -> None:
    """Take the disk space now: on a full disk a mapped file kills the process without a word."""
    with open(path, "r+b") as handle:
        os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)


def _rows(manifest_tsv: str | os.PathLike[str], utts: Iterable[str] | None) -> pd.DataFrame:
    manifest = read_tsv(manifest_tsv, columns=("utt", "path"))
    if utts is not None:
        wanted = set(utts)
        absent = sorted(wanted - set(manifest["utt"]))
        if absent:
            raise InputError(
                f"latents: {len(absent)} clips are not in {manifest_tsv} (first: {absent[0]})"
            )
        manifest = manifest[manifest["utt"].isin(wanted)]
    if manifest.empty:
        raise InputError(f"latents: no clips in {manifest_tsv}")
    return manifest.reset_index(drop=True)


class StoredFrames(Sequence[np.ndarray]):
    """Latents of some clips, [T_i, D] each, which are read whenever they are asked for.

    Read, not mapped: pages of a mapped file count as the job's memory.
    """

    def __init__(
        self, path: Path, first: int, frame: np.dtype[Any], offsets: np.ndarray, lengths: np.ndarray
    ) -> None:
        """`first` is the first frame's position in the file, in bytes; the others count frames.

        frame: what a frame is in the file, numbers of the kept precision and their count.
        """
        self._file = open(path, "rb")  # noqa: SIM115
        self._path, self._first, self._frame = path, first, frame
        self._offsets, self.lengths = offsets, lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, at: Any) -> Any:
        """Return one clip's latents, or a list of those of a slice."""
        if isinstance(at, slice):
            return [self[index] for index in range(*at.indices(len(self)))]
        found = np.empty((int(self.lengths[at]), *self._frame.shape), dtype=self._frame.base)
        place = self._first + int(self._offsets[at]) * self._frame.itemsize
        if os.preadv(self._file.fileno(), [found.data], place) != found.nbytes:
            raise InputError(f"latents: {self._path} is cut; expected one extraction's files")
        return found

    def first(self, longest: int) -> StoredFrames:
        """Return them without what comes after their first `longest` frames."""
        lengths = np.minimum(self.lengths, longest)
        return StoredFrames(self._path, self._first, self._frame, self._offsets, lengths)


class Latents:
    """Read access to a folder of `extract_latents`; use it as a context manager, or close it."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Open latents.npy without reading it into memory."""
        folder = Path(folder)
        self._path = folder / LATENTS
        index = read_tsv(folder / INDEX)
        self.utts: list[str] = list(index["utt"])
        self._row = {utt: row for row, utt in enumerate(self.utts)}
        self._offset = index["offset"].astype(np.int64).to_numpy()
        self._frames = index["frames"].astype(np.int64).to_numpy()
        self._means = read_array(folder / MEANS)
        self._store: Any = read_array(folder / LATENTS, mapped=True)
        if len(self._means) != len(self.utts) or len(self._store) != self._frames.sum():
            self.close()
            raise InputError(f"latents: {folder} is inconsistent; expected one extraction's files")

    @property
    def dimension(self) -> int:
        """Width D of a frame (the CNN's output channels)."""
        return int(self._means.shape[1])

    def __contains__(self, utt: str) -> bool:
        return utt in self._row

    def frames(self, utt: str) -> np.ndarray:
        """Return the clip's latents [T, D], of the kept precision, as a copy in memory."""
        row = self._index(utt)
        start = self._offset[row]
        return np.array(self._store[start : start + self._frames[row]])

    def stored(self, utts: Sequence[str]) -> StoredFrames:
        """Return the clips' latents, to be read from the file one by one; `close` changes nothing.

        For those of a whole pool, which would be gigabytes in memory.
        """
        rows = np.array([self._index(utt) for utt in utts], dtype=np.int64)
        if self._store is None:
            raise ValueError("these latents are closed")
        frame = np.dtype((self._store.dtype, self._store.shape[1:]))
        return StoredFrames(
            self._path, int(self._store.offset), frame, self._offset[rows], self._frames[rows]
        )

    @property
    def frame_bytes(self) -> int:
        """Bytes that one frame takes in the file, and in memory."""
        return self.dimension * int(self._store.dtype.itemsize)

    def length(self, utt: str) -> int:
        """Return the clip's number of frames T."""
        return int(self._frames[self._index(utt)])

    def means(self, utts: Sequence[str]) -> np.ndarray:
        """Return the clips' latents averaged over time, float32 [N, D], in the order of `utts`."""
        return self._means[[self._index(utt) for utt in utts]]

    def close(self) -> None:
        """Unmap the file; `frames` must not be called any more."""
        if self._store is not None:
            _close(self._store)
            self._store = None

    def __enter__(self) -> Latents:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _index(self, utt: str) -> int:
        try:
            return self._row[utt]
        except KeyError:
            raise InputError(f"latents: no clip {utt}; expected one of the manifest's") from None


def _close(array: Any) -> None:
    mapped = getattr(array, "_mmap", None)
    if mapped is not None:
        mapped.close()
