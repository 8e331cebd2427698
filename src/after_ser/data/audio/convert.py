"""A corpus's clips as 16 kHz mono FLAC, with a manifest of what is usable and what is not."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from after_ser.data.audio.checks import defect, duplicates
from after_ser.data.audio.read import (
    MAX_DURATION_S,
    Clip,
    LongAudioError,
    UnreadableAudioError,
    read_clip,
)
from after_ser.run.atomic import atomic_folder, read_tsv, write_tsv

SAMPLE_RATE = 16000
#: A file that clips are cut from is in memory as a whole: an hour at 48 kHz takes 0.7 GB.
LONGEST_FILE_S = 3600
MANIFEST_COLUMNS = [
    *["utt", "path", "speaker", "session", "gender", "language", "text_id", "raw_label"],
    *["valence", "arousal", "dominance", "duration_s", "sample_rate", "channels", "sha256"],
]
REJECTED_COLUMNS = [*MANIFEST_COLUMNS, "reason"]
# What conversion adds is not in the index.
_INDEX_COLUMNS = (
    *(c for c in MANIFEST_COLUMNS if c not in ("duration_s", "sample_rate", "channels")),
    *("start", "end"),
)


@dataclass(frozen=True)
class _Job:
    source: str
    target: str
    start: str = ""  # seconds, "" for the whole file
    end: str = ""


@dataclass(frozen=True)
class _Outcome:
    duration_s: str = ""
    sample_rate: str = ""
    channels: str = ""
    sha256: str = ""  # of the samples as they are written
    cancelled: bool = False
    reason: str = ""


def convert_corpus(
    index_tsv: str | os.PathLike[str],
    audio_dir: str | os.PathLike[str],
    manifest_tsv: str | os.PathLike[str],
    rejected_tsv: str | os.PathLike[str],
    workers: int = 1,
) -> None:
    """Convert every clip of an index: each goes to the manifest or, with a reason, to the rejects.

    Both tables are sorted by utterance. The manifest's `path` is the FLAC's, relative to the
    manifest's folder; the rejects keep the original's absolute path. `duration_s` (seconds),
    `sample_rate` (Hz) and `channels` are the original's. `sha256` is that of the samples at 16 kHz:
    a recording saved as WAV and as FLAC is one recording. The rejects keep the original's where
    nothing was converted. The output bytes do not depend on `workers`. Raises InputError where a
    clip of the index is gone from the disk.
    """
    index = (
        read_tsv(index_tsv, columns=_INDEX_COLUMNS)
        .sort_values("utt", kind="stable")
        .reset_index(drop=True)
    )
    audio, folder = Path(audio_dir), Path(manifest_tsv).parent
    names = file_names(index["utt"].tolist())
    with atomic_folder(audio) as temporary:
        jobs = [
            _Job(source, os.fspath(temporary / name), start, end)
            for source, name, start, end in zip(
                index["path"], names, index["start"], index["end"], strict=True
            )
        ]
        outcomes = list(_run(jobs, workers))
        columns = ("duration_s", "sample_rate", "channels", "sha256", "reason")
        rows = index.assign(
            **{column: [getattr(outcome, column) for outcome in outcomes] for column in columns}
        )
        rows["sha256"] = rows["sha256"].mask(rows["sha256"] == "", index["sha256"])
        sound = rows[rows["reason"] == ""]
        copies = duplicates(sound[["utt", "sha256", "raw_label"]].to_dict("records"))
        rows["reason"] = rows["reason"].mask(rows["reason"] == "", rows["utt"].map(copies))
        rows["reason"] = rows["reason"].fillna("")
        usable = rows["reason"] == ""
        for job, keep in zip(jobs, usable, strict=True):
            if not keep:
                Path(job.target).unlink(missing_ok=True)
    relative = Path(os.path.relpath(audio, folder))
    paths = pd.Series([(relative / name).as_posix() for name in names], index=rows.index)
    manifest = rows.assign(path=paths).loc[usable, MANIFEST_COLUMNS]
    rejected = rows.loc[~usable, REJECTED_COLUMNS]
    _check_complete(index, manifest, rejected, audio)
    write_tsv(manifest_tsv, manifest)
    write_tsv(rejected_tsv, rejected)
    print(_summary(manifest, rejected), file=sys.stderr)
    cancelled = [
        job.source for job, outcome in zip(jobs, outcomes, strict=True) if outcome.cancelled
    ]
    if cancelled:
        print(
            f"notice: the channels of {len(cancelled)} clips cancel each other, and the loudest "
            f"one was taken; the first is {cancelled[0]}",
            file=sys.stderr,
        )


def pcm16(samples: np.ndarray) -> np.ndarray:
    """Return float samples as int16, rounded; beyond full scale they are clipped, not wrapped.

    Samples that came from 16 bits come back as they were. There is no dither: it would make the
    copies of a clip differ, and its purpose, audible fades, does not arise.
    """
    scaled = np.rint(np.asarray(samples, np.float64) * 32768.0)
    return np.clip(scaled, -32768, 32767).astype(np.int16)


def file_names(utts: Sequence[str]) -> list[str]:
    """Return a FLAC file name per utterance that is safe on every file system.

    An utterance of letters, digits, dots, dashes and underscores is its own name. Others, and
    those that differ only in case, get a hash of the utterance appended.
    """
    folded = Counter(utt.lower() for utt in utts)
    names = []
    for utt in utts:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", utt)[:120].lstrip(".-")
        if plain != utt or folded[utt.lower()] > 1:
            plain = f"{plain}-{hashlib.sha256(utt.encode()).hexdigest()[:12]}"
        names.append(f"{plain}.flac")
    return names


def _convert(job: _Job) -> _Outcome:
    try:
        clip = _segment(job) if job.start or job.end else read_clip(job.source)
    except LongAudioError as error:
        return _Outcome(reason=str(error))
    except UnreadableAudioError as error:
        return _Outcome(reason=f"corrupt: {error}")
    reason, digest = defect(clip), ""
    if not reason:
        samples = clip.samples
        if clip.sample_rate != SAMPLE_RATE:
            # Imported here: a corpus that is at 16 kHz already needs no torch, seconds to load.
            from after_ser.data.audio.resample import resample

            samples = resample(samples, clip.sample_rate)
        digest = write_flac(job.target, samples)
    return _Outcome(
        duration_s=f"{clip.duration_s:.6f}",
        sample_rate=str(clip.sample_rate),
        channels=str(clip.channels),
        sha256=digest,
        cancelled=clip.cancelled,
        reason=reason,
    )


@lru_cache(maxsize=1)  # the segments of a file come one after the other
def _whole_file(path: str) -> Clip:
    return read_clip(path, LONGEST_FILE_S)


def _segment(job: _Job) -> Clip:
    """Return the part of a file that a job names; its end may be wrong by a rounding, 10 ms."""
    whole = _whole_file(job.source)
    start, end = float(job.start or 0), float(job.end or whole.duration_s)
    if end > whole.duration_s + 0.01:
        raise UnreadableAudioError(f"ends after {whole.duration_s:.3f} s, the clip at {end:g} s")
    if end - start > MAX_DURATION_S:
        raise LongAudioError(f"longer than {MAX_DURATION_S:g} s")
    first, last = (round(at * whole.sample_rate) for at in (start, end))
    return replace(whole, samples=whole.samples[first:last])


def write_flac(path: str | os.PathLike[str], samples: np.ndarray) -> str:
    """Write mono samples at 16 kHz as 16-bit FLAC; return the SHA-256 of the 16-bit samples."""
    written = pcm16(samples)
    soundfile.write(path, written, SAMPLE_RATE, "PCM_16", format="FLAC")
    return hashlib.sha256(written.astype("<i2").tobytes()).hexdigest()


def _run(jobs: Sequence[_Job], workers: int) -> Iterable[_Outcome]:
    """Yield the outcome of each job, in order."""
    if workers <= 1 or len(jobs) < 2:
        yield from map(_convert, jobs)
        return
    if any(_rate(job.source) != SAMPLE_RATE for job in jobs):
        import after_ser.data.audio.resample  # noqa: F401  (once here, not once in every worker)
    # Forked, because a spawned worker would run the calling workflow script a second time.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        yield from pool.map(_convert, jobs, chunksize=8)


def _rate(path: str) -> int:
    try:
        return int(soundfile.info(path).samplerate)
    except soundfile.LibsndfileError:
        return SAMPLE_RATE


def _check_complete(
    index: pd.DataFrame, manifest: pd.DataFrame, rejected: pd.DataFrame, audio: Path
) -> None:
    """Fail where a clip of the index is lost or doubled, or the folder is not the manifest's."""
    seen = sorted([*manifest["utt"], *rejected["utt"]])
    assert seen == sorted(index["utt"]), "clips of the index and of the two tables differ"
    files = {path.name for path in audio.iterdir()}
    assert files == {Path(path).name for path in manifest["path"]}, f"{audio} is not the manifest"


def _summary(manifest: pd.DataFrame, rejected: pd.DataFrame) -> str:
    kinds = Counter(re.split(r"[:(]| of ", reason)[0].strip() for reason in rejected["reason"])
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return (
        f"{len(manifest)} clips converted, {len(rejected)} rejected"
        f"{f' ({listed})' if listed else ''}"
    )
