"""Resampling 48 kHz to 16 kHz against librosa and soxr, and converting a corpus on two cores.

    python benchmarks/resampling.py --data <folder with ravdess>

Our filter passes more of the band and lets less alias than the others' defaults
(after_ser.data.audio.resample), so it has more to compute. One thread each.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
import soxr
from harness import Figure, Setting, interleaved, main
from material import sound_files

from after_ser.data.audio.convert import convert_corpus
from after_ser.data.audio.resample import TARGET_RATE, resample
from after_ser.run.atomic import write_text

RATE = 48_000
_COLUMNS = [
    *["utt", "path", "speaker", "session", "gender", "language", "text_id", "raw_label"],
    *["valence", "arousal", "dominance", "sha256"],
]


def measure(setting: Setting) -> Figure:
    """Measure the resamplers on decoded clips, then whole conversions from files to files."""
    figure = Figure("resampling", "Resampling", "time of librosa's default / time")
    count = 8 if setting.quick else 200
    clips = _clips(setting.data, count)

    def each(work: Callable[[np.ndarray], Any]) -> Callable[[], None]:
        def run() -> None:
            for clip in clips:
                work(clip)

        return run

    ways = {
        "librosa (soxr_hq)": each(
            lambda clip: librosa.resample(clip, orig_sr=RATE, target_sr=TARGET_RATE)
        ),
        "soxr HQ": each(lambda clip: soxr.resample(clip, RATE, TARGET_RATE, "HQ")),
        "soxr VHQ": each(lambda clip: soxr.resample(clip, RATE, TARGET_RATE, "VHQ")),
        "here": each(lambda clip: resample(clip, RATE)),
    }
    figure.add("one thread", interleaved(ways, setting.repeats), "librosa (soxr_hq)")
    folder = setting.folder / "corpus"
    index = _corpus(folder, clips)
    conversions = {
        "one process": lambda: _convert(index, folder, 1),
        "two processes": lambda: _convert(index, folder, 2),
    }
    timed = interleaved(conversions, setting.repeats)
    figure.add("converting a corpus", timed, "one process")
    if not setting.quick:
        figure.targets.append(("converting a corpus", "two processes", 1.8))
    seconds = sum(map(len, clips)) / RATE
    figure.facts = {"clips": count, "seconds_of_audio": round(seconds, 1)}
    return figure


def _clips(data: Path | None, count: int) -> list[np.ndarray]:
    if data is None:
        draw = np.random.default_rng(0)
        return [
            (0.1 * draw.standard_normal(round(RATE * length))).astype(np.float32)
            for length in draw.uniform(3.0, 4.5, count)
        ]
    read = (soundfile.read(path, dtype="float32") for path in sound_files(data, ["ravdess"]))
    clips = [clip for clip, rate in read if rate == RATE and clip.ndim == 1][:count]
    if len(clips) < count:
        raise SystemExit(f"{data}: {len(clips)} mono clips of 48 kHz in ravdess; expected {count}")
    return clips


def _corpus(folder: Path, clips: list[np.ndarray]) -> Path:
    (folder / "source").mkdir(parents=True)
    rows = ["\t".join(_COLUMNS)]
    for number, clip in enumerate(clips):
        path = folder / f"source/{number:04d}.wav"
        soundfile.write(path, clip, RATE, "PCM_16")
        known = {"utt": path.stem, "path": str(path), "sha256": f"{number:064x}", "speaker": "1"}
        rows.append("\t".join(known.get(column, "x") for column in _COLUMNS))
    write_text(folder / "index.tsv", "\n".join(rows) + "\n")
    return folder / "index.tsv"


def _convert(index: Path, folder: Path, workers: int) -> None:
    out = folder / "converted"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    convert_corpus(
        index, out / "audio", out / "manifest.tsv", out / "rejected.tsv", workers=workers
    )


if __name__ == "__main__":
    main(measure)
