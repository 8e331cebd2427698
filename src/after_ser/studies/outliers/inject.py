"""Useless clips, put into a dataset on purpose: near-duplicates and clips of a foreign corpus.

They belong to train splits only. A fold's train split decides which of them it gets, so that a
near-duplicate never comes without the clip that it was made from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from after_ser.core.errors import InputError
from after_ser.core.seeding import derive_seed, rng
from after_ser.data.audio.convert import SAMPLE_RATE, file_names, write_flac
from after_ser.data.audio.mix import add_at_snr
from after_ser.data.datasets.merge import MANIFEST_COLUMNS
from after_ser.data.datasets.sampling import shuffled

COLUMNS = ["utt", "kind", "source"]
DUPLICATE, FOREIGN = "duplicate", "foreign"
#: A near-duplicate is its source at another gain (uniform, +- dB) in faint white noise (SNR, dB).
GAIN_DB, NOISE_SNR_DB = 3.0, 40.0


def injected_counts(clips: int, settings: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many near-duplicates and foreign clips join a train split of `clips` own ones.

    Each is its share of what the split has in the end, to the nearest clip.
    """
    shares = (settings.get("duplicates", 0.0), settings.get("foreign", {}).get("share", 0.0))
    total = clips / (1 - sum(shares))
    near, foreign = (math.floor(round(share * total, 9) + 0.5) for share in shares)
    return near, foreign


def sources(train: Iterable[str], settings: Mapping[str, Any], dataset: str) -> list[str]:
    """Return the clips of a train split (without injected ones) that get a near-duplicate."""
    clips = list(train)
    return shuffled(clips, "inject", DUPLICATE, dataset)[: injected_counts(len(clips), settings)[0]]


def injected_of_fold(
    train: Iterable[str], injected: pd.DataFrame, settings: Mapping[str, Any], dataset: str
) -> list[str]:
    """Return the injected clips that join a fold, given its own train clips; sorted.

    injected: COLUMNS, as `inject` made it. Raises ValueError where it lacks one.
    """
    clips = list(train)
    near = injected[injected["kind"] == DUPLICATE].set_index("source")["utt"]
    chosen = sources(clips, settings, dataset)
    missing = [clip for clip in chosen if clip not in near.index]
    foreign = shuffled(injected.loc[injected["kind"] == FOREIGN, "utt"], "inject", FOREIGN, dataset)
    count = injected_counts(len(clips), settings)[1]
    if missing or len(foreign) < count:
        raise ValueError(f"injected clips are incomplete, e.g. {(missing or ['foreign ones'])[0]}")
    return sorted([*near[chosen], *foreign[:count]])


def inject(
    manifest: pd.DataFrame,
    trains: Sequence[Sequence[str]],
    foreign: pd.DataFrame | None,
    settings: Mapping[str, Any],
    dataset: str,
    classes: Sequence[str],
    folder: str | Path,
    target: str | Path,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the near-duplicates that any fold needs; return (manifest with all, injected).

    manifest: the dataset's own clips; trains: the train clips of every fold.
    foreign:  manifest rows of the foreign corpus, prefixed, without reserved speakers.
    folder:   where the FLAC files are written; target: the path that the manifest gives them.
    A near-duplicate has its source's columns, speaker and label included, and bytes of its own. A
    foreign clip gets a class at random, since its own says nothing here. Raises InputError where
    the foreign corpus has too few clips that are not in the dataset already.
    """
    chosen = sorted({clip for train in trains for clip in sources(train, settings, dataset)})
    rows = manifest.set_index("utt", drop=False).loc[chosen].reset_index(drop=True)
    near = rows.assign(utt=[f"{clip}~near" for clip in chosen])
    names = file_names(near["utt"].tolist())
    hashes = [
        _write_near_duplicate(source, Path(folder) / name, utt)
        for source, name, utt in zip(rows["path"], names, chosen, strict=True)
    ]
    near = near.assign(path=[(Path(target) / name).as_posix() for name in names], sha256=hashes)
    count = max((injected_counts(len(train), settings)[1] for train in trains), default=0)
    outside = _foreign_rows(manifest, foreign, count, settings, dataset, classes)
    injected = pd.DataFrame(
        {
            "utt": [*near["utt"], *outside["utt"]],
            "kind": [DUPLICATE] * len(near) + [FOREIGN] * len(outside),
            "source": [*chosen, *[""] * len(outside)],
        },
        columns=COLUMNS,
    )
    return pd.concat([manifest, near, outside], ignore_index=True)[MANIFEST_COLUMNS], injected


def _foreign_rows(
    manifest: pd.DataFrame,
    foreign: pd.DataFrame | None,
    count: int,
    settings: Mapping[str, Any],
    dataset: str,
    classes: Sequence[str],
) -> pd.DataFrame:
    """Return `count` clips of the foreign corpus with labels drawn by name."""
    if foreign is None or not count:
        return manifest.iloc[:0]
    new = foreign[~foreign["sha256"].isin(manifest["sha256"])]
    if len(new) < count:
        raise InputError(
            f"dataset {dataset}: inject.foreign asks for {count} clips, but the corpus "
            f"{settings['foreign']['corpus']} has {len(new)} that the dataset does not have; "
            "expected a smaller share or a larger corpus"
        )
    order = shuffled(new["utt"], "inject", FOREIGN, dataset)[:count]
    rows = new.set_index("utt", drop=False).loc[sorted(order)].reset_index(drop=True)
    drawn = [derive_seed("inject", "label", dataset, utt) % len(classes) for utt in rows["utt"]]
    return rows.assign(label=[classes[index] for index in drawn])


def foreign_rows(
    corpus: str,
    manifest: pd.DataFrame,
    audio_root: str | Path,
    reserved: Sequence[str] | str,
) -> pd.DataFrame:
    """Return a corpus's clips as rows of a dataset's manifest, without its reserved speakers.

    manifest: the corpus's own; names are prefixed with the corpus, labels are left empty.
    """
    speakers = manifest["speaker"]
    held = speakers.notna() if reserved == "all" else speakers.isin(list(map(str, reserved)))
    rows = manifest[~held]

    def prefixed(column: str) -> pd.Series:
        return (corpus + "/" + rows[column]).where(rows[column] != "", "")

    return rows.assign(
        corpus=corpus,
        utt=corpus + "/" + rows["utt"],
        path=[(Path(audio_root) / path).as_posix() for path in rows["path"]],
        speaker=prefixed("speaker"),
        session=prefixed("session"),
        label="",
    )[MANIFEST_COLUMNS]


def _write_near_duplicate(source: str, path: Path, utt: str) -> str:
    """Write the changed copy as 16 kHz FLAC; return the SHA-256 of its samples."""
    samples, rate = soundfile.read(source, dtype="float32")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise InputError(f"{source}: expected a 16 kHz mono clip of the corpus step")
    generator = rng("inject", "sound", utt)
    noisy = add_at_snr(samples, generator.standard_normal(len(samples)), NOISE_SNR_DB)
    louder = float(generator.uniform(-GAIN_DB, GAIN_DB))
    gain = 10 ** (louder / 20) / max(1.0, float(np.abs(noisy).max()) * 10 ** (louder / 20))
    return write_flac(path, noisy * gain)
