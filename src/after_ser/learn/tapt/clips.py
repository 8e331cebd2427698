"""Which clips a pre-training run may hear."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from after_ser.core.errors import InputError
from after_ser.data.datasets.tables import read_fold
from after_ser.run.atomic import read_tsv


@dataclass(frozen=True)
class Clip:
    """A prepared clip: unique name, 16 kHz mono file, length in seconds, hash of the original.

    speaker, with the corpus, is known of backbone pre-training's clips only, "" if not.
    """

    utt: str
    path: str
    seconds: float
    sha256: str
    speaker: str = ""


def train_clips(
    manifest_tsv: str | os.PathLike[str],
    fold_tsv: str | os.PathLike[str],
    audio_root: str | os.PathLike[str] = ".",
) -> list[Clip]:
    """Return the clips of the fold's train split, and no others: val and test stay unheard.

    Labels are not read. Paths of the manifest are relative to `audio_root`. Raises InputError
    for a fold without train clips or with clips that the manifest lacks.
    """
    fold = read_fold(fold_tsv)
    wanted = set(fold.loc[fold["split"] == "train", "utt"])
    manifest = read_tsv(manifest_tsv, ("duration_s",), ("utt", "path", "sha256"))
    rows = manifest[manifest["utt"].isin(wanted)]
    if len(rows) != len(wanted) or rows.empty:
        raise InputError(
            f"tapt: {fold_tsv} has {len(wanted)} train clips, of which {len(rows)} are in "
            f"{manifest_tsv}; expected all of them and at least one"
        )
    root = Path(audio_root)
    paths = [str(root / path) for path in rows["path"]]
    return _clips(list(rows["utt"]), paths, list(rows["duration_s"]), list(rows["sha256"]))


def corpus_clips(
    manifests: Sequence[str | os.PathLike[str]],
    corpora: Sequence[str],
    use: Mapping[str, str | Sequence[str]],
) -> list[Clip]:
    """Return the clips of whole corpora or of some of their speakers.

    `manifests` are the manifest.tsv of `corpora`, in the same order, whose paths are relative to
    the manifest's folder; `use` gives "all" or a list of speakers for each. Raises InputError
    for a speaker that the corpus lacks.
    """
    clips: list[Clip] = []
    for manifest_tsv, corpus in zip(manifests, corpora, strict=True):
        rows = read_tsv(manifest_tsv, numeric=("duration_s",))
        if use[corpus] != "all":
            speakers = {str(speaker) for speaker in use[corpus]}
            absent = sorted(speakers - set(rows["speaker"]))
            if absent:
                raise InputError(
                    f"backbone pre-training: {corpus} has no speaker {', '.join(absent)}; "
                    f"expected some of {', '.join(sorted(set(rows['speaker'])))}"
                )
            rows = rows[rows["speaker"].isin(speakers)]
        utts = [f"{corpus}/{utt}" for utt in rows["utt"]]
        paths = [str(Path(manifest_tsv).parent / path) for path in rows["path"]]
        found = _clips(utts, paths, list(rows["duration_s"]), list(rows["sha256"]))
        clips += [
            replace(clip, speaker=f"{corpus}/{speaker}" if speaker else "")
            for clip, speaker in zip(found, rows["speaker"], strict=True)
        ]
    if not clips:
        raise InputError(f"backbone pre-training: no clips in {', '.join(corpora)}")
    return clips


def _clips(
    utts: list[str], paths: list[str], seconds: list[float], hashes: list[str]
) -> list[Clip]:
    return [
        Clip(utt, path, float(length), sha256)
        for utt, path, length, sha256 in zip(utts, paths, seconds, hashes, strict=True)
    ]
