"""MSP-IMPROV: acted dialogues of six pairs, with the labels of one evaluation file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from after_ser.core.errors import InputError
from after_ser.data.corpora.base import Corpus, Utterance, stem
from after_ser.data.corpora.files import check_root, child
from after_ser.data.corpora.label_files import Rating, read_ratings

# The release spells it without "a".
_LABELS = ("Evalution.txt", "Evaluation.txt")
_NAME = re.compile(
    r"MSP-IMPROV-S(?P<sentence>\d\d)[AHNS]-(?P<speaker>[FM]\d\d)-(?P<scenario>[PRST])-[FM]{2}\d+"
)
_VALUE = r"\d+(?:\.\d+)?|NaN"
_LINE = re.compile(
    r"(?:UTD|MSP)-IMPROV-(?P<turn>[A-Z0-9-]+)\.\w+\s*;\s*(?P<label>[A-Z])\s*;"
    rf"\s*A:(?P<arousal>{_VALUE})\s*;\s*V:(?P<valence>{_VALUE})\s*;\s*D:(?P<dominance>{_VALUE})\s*;.*"
)
_LINE_EXAMPLE = "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.0; V:3.5; D:3.0 ; N:4.0;"
# Scenarios in which the sentence of the name is what is said: read, and improvised around it.
_FIXED_TEXT = ("R", "T")


class MspImprov(Corpus):
    """English, 8,438 turns; `session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav` and `Evalution.txt`.

    A name holds sentence and elicited emotion (S01A), speaker and session (F01), scenario
    (P natural interaction, R read, S improvised, T target sentence of the improvisation) and
    turn. Raw labels are the raters' consensus: A(nger), H(appy), S(ad), N(eutral), O(ther) and X
    (no agreement), not the elicited emotion; activation, valence and dominance are on a scale of
    1 to 5. Lines of single raters in the evaluation file are not read.

    Source: Busso et al., "MSP-IMPROV: An acted corpus of dyadic interactions to study emotion
    perception", IEEE Transactions on Affective Computing 8(1), 2017.
    """

    layout = "msp_improv"
    language = "en"
    example = "session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav"
    default_labels: ClassVar[Mapping[str, str | None]] = {
        "A": "anger",
        "N": "neutral",
        "S": "sad",
        "H": "happy",
        "O": None,
        "X": None,
    }

    def scan(self, root: Path, options: Mapping[str, Any]) -> Iterator[Utterance]:
        """Yield one utterance per turn, in the order of paths."""
        check_root(root, self.layout, f"a folder with {_LABELS[0]} and {self.example} in it")
        table, ratings = _read_labels(root)
        for path in self.clips(root, options):
            match = _NAME.fullmatch(stem(path))
            if match is None:
                raise InputError(
                    f"layout msp_improv: the audio file {path} is not named as {self.example} is "
                    "(rename it, or list it in the corpus's options under ignore)"
                )
            rating = ratings.get(stem(path).removeprefix("MSP-IMPROV-"))
            if rating is None:
                raise InputError(
                    f"layout msp_improv: the clip {path} has no line in {table}; expected one "
                    f"such as {_LINE_EXAMPLE}"
                )
            speaker = match["speaker"]
            yield Utterance(
                utt=stem(path),
                path=path,
                speaker=speaker,
                session=f"session{int(speaker[1:])}",
                gender="female" if speaker[0] == "F" else "male",
                language=self.language,
                text_id=f"S{match['sentence']}" if match["scenario"] in _FIXED_TEXT else "",
                raw_label=rating.label,
                valence=rating.valence,
                arousal=rating.arousal,
                dominance=rating.dominance,
            )


def _read_labels(root: Path) -> tuple[Path, dict[str, Rating]]:
    """Return the evaluation file and turn -> consensus, the turn without its prefix."""
    table = next((path for name in _LABELS if (path := child(root, name))), None)
    if table is None:
        raise InputError(
            f"layout msp_improv: no {_LABELS[0]} in {root}; expected lines such as {_LINE_EXAMPLE}"
        )
    begins = ("UTD-IMPROV-", "MSP-IMPROV-")
    return table, read_ratings(table, "msp_improv", begins, _LINE, _LINE_EXAMPLE)
