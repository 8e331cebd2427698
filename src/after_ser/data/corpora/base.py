"""What an adapter is: it reads a corpus's unmodified release and yields its utterances."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from after_ser.core.errors import InputError
from after_ser.data.corpora.files import find_clips


@dataclass(frozen=True)
class Utterance:
    """One clip as its corpus describes it; "" and None where the corpus says nothing.

    `utt` is unique in the corpus, `path` absolute, `gender` "female" or "male", `language` an
    ISO 639-1 code. `text_id` is equal for clips of the same sentence. `raw_label` is the corpus's
    own label. `valence`, `arousal` and `dominance` are on the corpus's own scale.
    `start` and `end` (seconds) are the clip's place in the file, None its beginning and end.
    """

    utt: str
    path: Path
    speaker: str
    session: str = ""
    gender: str = ""
    language: str = ""
    text_id: str = ""
    raw_label: str = ""
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    start: float | None = None
    end: float | None = None


class Corpus(ABC):
    """Base of all adapters. Subclasses set the class attributes and implement `scan`.

    `layout` is the adapter's name in the config; `default_labels` maps every raw label of the
    release to a class (anger, neutral, sad, happy) or to None where it is known but not used;
    `example` is the path of a clip below the root, shown in messages; `known_options` are the
    keys of `corpora.<name>.options`.
    """

    layout: ClassVar[str]
    language: ClassVar[str] = ""
    example: ClassVar[str]
    default_labels: ClassVar[Mapping[str, str | None]]
    known_options: ClassVar[frozenset[str]] = frozenset({"ignore"})

    @abstractmethod
    def scan(self, root: Path, options: Mapping[str, Any]) -> Iterator[Utterance]:
        """Yield every utterance of the release in `root`, without decoding any audio.

        Raises InputError for a wrong root, an empty corpus and a clip that cannot be understood.
        """

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Raise InputError for an option that this adapter does not have, or of another kind."""
        for key in options:
            if key not in self.known_options:
                near = get_close_matches(str(key), self.known_options, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                raise InputError(
                    f"layout {self.layout}: unknown option {key}{hint}; "
                    f"expected one of {', '.join(sorted(self.known_options))}"
                )
            values = (
                [options[key]] if key == "table" or isinstance(options[key], str) else options[key]
            )
            if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
                kind = "text" if key == "table" else "text or a list of texts"
                raise InputError(
                    f"layout {self.layout}: option {key} is {options[key]!r}, expected {kind}"
                )

    def clips(
        self, root: Path, options: Mapping[str, Any], example: str | None = None
    ) -> list[Path]:
        """Return the audio files below `root` but for `options["ignore"]`, sorted, at least one."""
        ignore = options.get("ignore", [])
        patterns = [ignore] if isinstance(ignore, str) else [str(pattern) for pattern in ignore]
        return find_clips(root, self.layout, example or self.example, patterns)


class NamedClips(Corpus):
    """A corpus that says everything about a clip in its file name and folders.

    `pattern` is that of a clip's name without suffix, `naming` the same in words.
    """

    pattern: ClassVar[re.Pattern[str]]
    naming: ClassVar[str]

    def scan(self, root: Path, options: Mapping[str, Any]) -> Iterator[Utterance]:
        """Yield one utterance per audio file below `root`, in the order of paths."""
        for path in self.clips(root, options):
            name = self.pattern.fullmatch(stem(path))
            fields = self.describe(name, path.relative_to(root)) if name else None
            if fields is None:
                raise InputError(
                    f"layout {self.layout}: the audio file {path} is not named "
                    f"{self.naming}, as {self.example} is (rename it, or list it in the "
                    "corpus's options under ignore)"
                )
            by_default: dict[str, Any] = {"utt": stem(path), "language": self.language}
            yield Utterance(path=path, **(by_default | fields))

    @abstractmethod
    def describe(self, name: re.Match[str], below: Path) -> dict[str, Any] | None:
        """Return what name and path (`below` the root) say, as fields of an Utterance.

        None where they do not say it. `utt` is the name and `language` the corpus's unless given.
        """


def stem(path: Path) -> str:
    """Return the file name without suffix in Unicode's composed form.

    macOS writes "é" as two characters; a corpus copied there must keep its utterance names.
    """
    return unicodedata.normalize("NFC", path.stem)
