"""MSP-Podcast: spontaneous emotional speech from podcasts, labelled by crowds."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.core.errors import InputError
from after_ser.data.corpora.base import Corpus, Utterance, stem
from after_ser.data.corpora.files import check_root, child
from after_ser.data.corpora.label_files import number, read_rows, read_text

# Releases before 1.9 misspell the file's name.
_LABELS = (
    *("labels_consensus.csv", "labels_concensus.csv"),
    *("labels_consensus.json", "labels_concensus.json"),
)
_AUDIO = ("Audios", "Audio")
_NAME = re.compile(r"MSP-PODCAST_(?P<podcast>\d+)_.+", re.I)
_UNKNOWN = ("", "unknown", "-1", "nan")
_GENDERS = {"female": "female", "male": "male"}
_REQUIRED = ("EmoClass", "SpkrID")


class MspPodcast(Corpus):
    """English; `Audios/MSP-PODCAST_0001_0008.wav` and `Labels/labels_consensus.csv` (or .json).

    Raw labels are the consensus classes: A(nger), S(ad), H(appy), N(eutral), sU(rprise), F(ear),
    D(isgust), C(ontempt), O(ther) and X (no agreement); EmoVal, EmoAct and EmoDom are on a scale
    of 1 to 7. A speaker nobody knows is called `unknown-<podcast>`: clips of one podcast may be
    the same person, so they must not be held apart. Clips without a line of labels (a blind test
    set) are skipped, and a notice says how many. The option `splits` reads only the official
    parts it lists, e.g. [Train, Development].

    Source: Lotfian & Busso, "Building naturalistic emotionally balanced speech corpus by
    retrieving emotional speech from existing podcast recordings", IEEE Transactions on Affective
    Computing 10(4), 2019; the release's readme.
    """

    layout = "msp_podcast"
    language = "en"
    example = "Audios/MSP-PODCAST_0001_0008.wav"
    known_options = frozenset({"ignore", "splits"})
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "A": "anger",
        "N": "neutral",
        "S": "sad",
        "H": "happy",
        **dict.fromkeys("UFDCOX"),
    }

    def scan(self, root: Path, options: Mapping[str, Any]) -> Iterator[Utterance]:
        """Yield the labelled clips in the order of their names."""
        check_root(root, self.layout, f"a folder with {self.example} and Labels in it")
        table, rows = _read_labels(root)
        wanted = _splits(options, table, rows)
        audio = next((path for name in _AUDIO if (path := child(root, name))), root)
        unlabelled, left = 0, set(rows)
        for path in self.clips(audio, options, Path(self.example).name):
            row = rows.get(stem(path))
            if row is None:
                unlabelled += 1
                continue
            left.discard(stem(path))
            if wanted and row["Split_Set"] not in wanted:
                continue
            yield self._utterance(path, row, table)
        left = {utt for utt in left if not wanted or rows[utt]["Split_Set"] in wanted}
        if unlabelled or left:
            print(
                f"notice: {root}: {unlabelled} clips have no line in {table.name} and are "
                f"skipped, {len(left)} lines have no clip",
                file=sys.stderr,
            )

    def _utterance(self, path: Path, row: Mapping[str, str], table: Path) -> Utterance:
        match = _NAME.fullmatch(stem(path))
        speaker = row["SpkrID"]
        if speaker.lower() in _UNKNOWN:
            if match is None:
                raise InputError(
                    f"layout msp_podcast: {path} is not named as {self.example} is, and "
                    f"{table.name} does not know its speaker; expected one of the two"
                )
            speaker = f"unknown-{match['podcast']}"
        return Utterance(
            utt=stem(path),
            path=path,
            speaker=speaker,
            gender=_GENDERS.get(row["Gender"].lower(), ""),
            language=self.language,
            raw_label=row["EmoClass"],
            valence=_number(row["EmoVal"], path, table),
            arousal=_number(row["EmoAct"], path, table),
            dominance=_number(row["EmoDom"], path, table),
        )


_FIELDS = (*_REQUIRED, "Gender", "Split_Set", "EmoVal", "EmoAct", "EmoDom")


def _read_labels(root: Path) -> tuple[Path, dict[str, dict[str, str]]]:
    """Return the label file and clip -> _FIELDS, as text and "" where the release has none."""
    folder = child(root, "Labels") or root
    table = next((path for name in _LABELS if (path := child(folder, name))), None)
    if table is None:
        raise InputError(
            f"layout msp_podcast: no {_LABELS[0]} in {root / 'Labels'}; expected the release's "
            "Labels folder beside Audios"
        )
    expected = f"FileName, {', '.join(_FIELDS)}"
    if table.suffix.lower() == ".json":
        records = _read_json(table, expected)
    else:
        records = [
            row for _, row in read_rows(table, "msp_podcast", ("FileName", *_REQUIRED), expected)
        ]
    rows: dict[str, dict[str, str]] = {}
    for record in records:
        utt = Path(record["filename"]).stem
        if not utt or utt in rows:
            problem = f"labels {utt} a second time" if utt else "has a row without FileName"
            raise InputError(f"layout msp_podcast: {table} {problem}; expected one row per clip")
        rows[utt] = {name: record.get(name.lower(), "") for name in _FIELDS}
    return table, rows


def _read_json(table: Path, expected: str) -> list[dict[str, str]]:
    """Return the entries of a JSON label file as rows of a CSV one."""
    problem = f"layout msp_podcast: {table} is not a JSON object of objects"

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"layout msp_podcast: {table} has {twice} twice; expected it once")
        return dict(pairs)

    try:
        entries = json.loads(
            read_text(table, "msp_podcast", "clip to its labels"), object_pairs_hook=once
        )
    except (ValueError, RecursionError):
        raise InputError(f"{problem}; expected clip to its labels") from None
    if not isinstance(entries, dict) or not all(isinstance(e, dict) for e in entries.values()):
        raise InputError(f"{problem}; expected clip to its labels")
    rows = []
    for name, entry in entries.items():
        for column in _REQUIRED:
            if column not in entry:
                raise InputError(
                    f"layout msp_podcast: {table} has no {column} of {name}; expected {expected}"
                )
        fields = {"FileName": name, **entry}
        rows.append({k.lower(): "" if v is None else str(v).strip() for k, v in fields.items()})
    return rows


def _splits(
    options: Mapping[str, Any], table: Path, rows: Mapping[str, Mapping[str, str]]
) -> set[str]:
    given = options.get("splits", [])
    wanted = {given} if isinstance(given, str) else {str(name) for name in given}
    parts = {row["Split_Set"] for row in rows.values()} - {""}
    for name in sorted(wanted - parts):
        raise InputError(
            f"layout msp_podcast: splits: {table.name} has no part {name}; expected some of "
            f"{', '.join(sorted(parts)) or 'none, since it has no column Split_Set'}"
        )
    return wanted


def _number(text: str, path: Path, table: Path) -> float | None:
    if text.lower() in ("", "nan"):
        return None
    try:
        return number(text)
    except ValueError:
        raise InputError(
            f"layout msp_podcast: {table} rates {path.name} {text!r}; expected a number"
        ) from None
