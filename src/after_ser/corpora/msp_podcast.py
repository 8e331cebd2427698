"""MSP-Podcast: spontaneous emotional speech from podcasts, labelled by crowds."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.corpora.base import Corpus, Utterance, stem
from after_ser.corpora.files import check_root, child
from after_ser.errors import InputError

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
        audio = next((found for name in _AUDIO if (found := child(root, name))), root)
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
    table = next((found for name in _LABELS if (found := child(folder, name))), None)
    if table is None:
        raise InputError(
            f"layout msp_podcast: no {_LABELS[0]} in {root / 'Labels'}; expected the release's "
            "Labels folder beside Audios"
        )
    if table.suffix.lower() == ".json":
        try:
            entries = json.loads(table.read_text(encoding="utf-8")).items()
        except (ValueError, AttributeError):
            raise InputError(
                f"layout msp_podcast: {table} is no JSON object; expected clip to its labels"
            ) from None
        records = [{"FileName": name, **entry} for name, entry in entries]
    else:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            records = list(csv.DictReader(lines))
    columns = set(records[0]) if records else set()
    for column in ("FileName", *_REQUIRED):
        if column not in columns:
            raise InputError(
                f"layout msp_podcast: {table} has no {column}; expected FileName, "
                f"{', '.join(_FIELDS)}"
            )
    rows = {}
    for record in records:
        utt = Path(str(record["FileName"])).stem
        fields = {name: record.get(name) for name in _FIELDS}
        rows[utt] = {k: "" if v is None else str(v).strip() for k, v in fields.items()}
    return table, rows


def _splits(
    options: Mapping[str, Any], table: Path, rows: Mapping[str, Mapping[str, str]]
) -> set[str]:
    given = options.get("splits", [])
    wanted = {given} if isinstance(given, str) else {str(name) for name in given}
    known = {row["Split_Set"] for row in rows.values()} - {""}
    for name in sorted(wanted - known):
        raise InputError(
            f"layout msp_podcast: splits: {table.name} has no part {name}; expected some of "
            f"{', '.join(sorted(known)) or 'none, since it has no column Split_Set'}"
        )
    return wanted


def _number(text: str, path: Path, table: Path) -> float | None:
    if text.lower() in ("", "nan"):
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"layout msp_podcast: {table} rates {path.name} {text!r}; expected a number"
        ) from None
