"""IEMOCAP, the interactive emotional dyadic motion capture database."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.core.errors import InputError
from after_ser.data.corpora.base import Corpus, Utterance, stem
from after_ser.data.corpora.files import check_root, child
from after_ser.data.corpora.label_files import Rating, read_ratings

_SESSION = re.compile(r"Session(\d+)", re.I)
_UTTERANCE = re.compile(
    r"(?P<dialogue>Ses(?P<session>\d\d)[FM]_(?P<scene>(?P<kind>script|impro)\w+))"
    r"_(?P<turn>(?P<gender>[FM])(?:\d{3}|XX\d+))",
    re.I,
)
_LABEL = re.compile(
    r"\[\s*[\d.]+\s*-\s*[\d.]+\s*\]\s+(?P<turn>\S+)\s+(?P<label>\w+)\s+"
    r"\[\s*(?P<valence>[\d.]+)\s*,\s*(?P<arousal>[\d.]+)\s*,\s*(?P<dominance>[\d.]+)\s*\]\s*"
)
_LABEL_EXAMPLE = "[6.2901 - 8.2357]<tab>Ses01F_impro01_F000<tab>neu<tab>[2.5000, 2.5000, 2.5000]"


class Iemocap(Corpus):
    """English, 10,039 turns of five sessions, each a woman and a man, scripted and improvised.

    Read are `Session{1..5}/sentences/wav/<dialogue>/<turn>.wav` and the final labels in
    `Session*/dialog/EmoEvaluation/<dialogue>.txt`, in lines
    `[start - end]<tab>turn<tab>label<tab>[valence, activation, dominance]` (means on 1 to 5).

    A turn is named e.g. `Ses01F_script01_1_M012`. The letter after the session says who wore the
    motion-capture markers; who speaks is the letter before the turn number. The speaker is
    therefore "Ses01M" here. Text ids are scene and turn of the scripted dialogues ("" for
    improvised ones): the same play is acted in every session, but turn numbers shift where actors
    skip or split a line, so equal ids mean about, not exactly, the same sentence.

    Labels: ang, neu, sad, hap and exc (both happy, as the AFTER paper does: 5,531 turns), and
    fru, sur, fea, dis, oth, xxx (no agreement), which have no class here.

    Source: Busso et al., "IEMOCAP", Language Resources and Evaluation 42 (2008), and the
    release's README; counts: 1,103 ang, 1,708 neu, 1,084 sad, 595 hap, 1,041 exc, 1,849 fru,
    107 sur, 40 fea, 2 dis, 3 oth, 2,507 xxx.
    """

    layout = "iemocap"
    language = "en"
    example = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "ang": "anger",
        "neu": "neutral",
        "sad": "sad",
        "hap": "happy",
        "exc": "happy",
        "fru": None,
        "sur": None,
        "fea": None,
        "dis": None,
        "oth": None,
        "xxx": None,
    }

    def scan(self, root: Path, options: Mapping[str, Any]) -> Iterator[Utterance]:
        """Yield the turns of every session folder; labels of turns without a clip are counted."""
        check_root(root, self.layout, "the folder that holds Session1 to Session5")
        try:
            sessions = sorted(path for path in root.iterdir() if _SESSION.fullmatch(path.name))
        except OSError as error:
            raise InputError(
                f"layout iemocap: the root {root} cannot be read ({error.strerror}); "
                "expected a readable one"
            ) from None
        if not sessions:
            raise InputError(
                f"layout iemocap: no folder Session1 to Session5 in {root}; "
                f"expected clips such as {self.example}"
            )
        for session in sessions:
            yield from self._scan_session(session, options)

    def _scan_session(self, session: Path, options: Mapping[str, Any]) -> Iterator[Utterance]:
        wav = _descend(session, "sentences", "wav")
        labels = _descend(session, "dialog", "EmoEvaluation")
        ratings: dict[str, dict[str, Rating]] = {}
        for path in self.clips(wav, options, "Ses01F_impro01/Ses01F_impro01_F000.wav"):
            match = _UTTERANCE.fullmatch(stem(path))
            if match is None:
                raise InputError(
                    f"layout iemocap: the audio file {path} is not named <dialogue>_<F|M><turn>, "
                    "as Ses01F_impro01_F000.wav is (rename it, or list it in the corpus's "
                    "options under ignore)"
                )
            dialogue = match["dialogue"]
            if dialogue not in ratings:
                ratings[dialogue] = _read_labels(labels, dialogue)
            rating = ratings[dialogue].pop(stem(path), None)
            if rating is None:
                raise InputError(
                    f"layout iemocap: the clip {path} has no line in "
                    f"{labels / f'{dialogue}.txt'}; expected one such as {_LABEL_EXAMPLE}"
                )
            scripted = match["kind"].lower() == "script"
            gender = match["gender"].upper()
            yield Utterance(
                utt=stem(path),
                path=path,
                speaker=f"Ses{match['session']}{gender}",
                session=f"Ses{match['session']}",
                gender="female" if gender == "F" else "male",
                language=self.language,
                text_id=f"{match['scene']}_{match['turn']}" if scripted else "",
                raw_label=rating.label,
                valence=rating.valence,
                arousal=rating.arousal,
                dominance=rating.dominance,
            )
        for path in sorted(labels.glob("Ses*.txt")):
            if path.stem not in ratings:
                ratings[path.stem] = _read_labels(labels, path.stem)
        missing = sorted(utt for left in ratings.values() for utt in left)
        if missing:
            print(
                f"notice: {session}: {len(missing)} labelled turns have no clip, "
                f"the first is {missing[0]}",
                file=sys.stderr,
            )


def _descend(folder: Path, *names: str) -> Path:
    """Return the folder below `folder`; raises InputError naming the first that is missing."""
    for name in names:
        below = child(folder, name)
        if below is None:
            raise InputError(
                f"layout iemocap: no folder {name} in {folder}; expected "
                "<session>/sentences/wav and <session>/dialog/EmoEvaluation as released"
            )
        folder = below
    return folder


def _read_labels(folder: Path, dialogue: str) -> dict[str, Rating]:
    """Return turn -> final label and mean ratings of one dialogue's label file.

    The file lists single raters' votes below each such line; only lines that begin with "[" are
    the evaluation's result. Raises InputError for a missing file and for such a line that does
    not parse or comes twice for one turn.
    """
    path = child(folder, f"{dialogue}.txt")
    if path is None:
        raise InputError(
            f"layout iemocap: the label file {folder / f'{dialogue}.txt'} is missing; "
            f"expected lines such as {_LABEL_EXAMPLE}"
        )
    return read_ratings(path, "iemocap", ("[",), _LABEL, _LABEL_EXAMPLE)
