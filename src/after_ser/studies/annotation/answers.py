"""Reading people's answers: every file of a run; what cannot be used is reported.

Answers are kept by clip, whichever file they are in: an answer for a clip that is asked for later
is used then. Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from after_ser.core.errors import InputError
from after_ser.core.people import STATUSES
from after_ser.studies.annotation.label_studio import read_export
from after_ser.studies.annotation.places import ADJUDICATE, ANSWERS, PROBLEMS, QUERY, QUEUE, TASKS
from after_ser.studies.annotation.queue_csv import read_query, read_rows

#: Files that people save answers in, whether or not they can be read.
_TABLES = (".csv", ".tsv", ".json", ".xlsx", ".xls", ".ods", ".numbers")
_OURS = (QUERY, QUEUE, TASKS, PROBLEMS)


@dataclass(frozen=True)
class Answer:
    """One annotator's answer for one clip.

    value:   a label of the classes, or the status skipped or unusable.
    decides: whether it comes from a file adjudicate*.
    where:   file and line.
    """

    utt: str
    value: str
    annotator: str
    decides: bool
    where: str


@dataclass(frozen=True)
class Problem:
    """A row or file that could not be used as it is: what it is about, and what is wrong."""

    where: str
    utt: str
    kind: str
    text: str


@dataclass(frozen=True)
class Answered:
    """All answers of a run by clip, each annotator's once, and what was wrong with the files.

    `asked` lists the clips of every query that was published.
    """

    by_clip: dict[str, list[Answer]]
    problems: list[Problem]
    asked: set[str]


def read_answered(folder: Path, classes: Sequence[str]) -> Answered:
    """Return everything that was answered below annotations/{run} (which may not be there yet).

    Case is ignored in labels and annotators' names, and blanks in clips' names if only one clip of
    the queries then matches. Reported as problems and not used: files and rows that cannot be
    understood, unknown labels, tables beside the folder answers/. Reported and used: copies of an
    answer, and clips that nobody asked for.
    """
    problems: list[Problem] = []
    answers: list[Answer] = []
    asked: set[str] = set()
    class_names = {name.casefold(): name for name in classes}
    for path in sorted(path for path in _entries(folder) if _is_table(path)):
        problems.append(_elsewhere(path, folder / "<question>"))
    for question in sorted(path for path in _entries(folder) if path.is_dir()):
        if (question / QUERY).is_file():
            asked.update(read_query(question / QUERY))
        for path in _files(question, problems):
            try:
                rows = read_export(path) if path.suffix.lower() == ".json" else read_rows(path)
            except InputError as error:
                problems.append(Problem(str(path), "", "file", str(error)))
                continue
            decides = path.name.lower().startswith(ADJUDICATE)
            for line, row in rows:
                where = f"{path}:{line}"
                answer = _answer(row, class_names, decides, where)
                if isinstance(answer, Problem):
                    problems.append(answer)
                elif answer is not None:
                    answers.append(answer)
    by_clip: dict[str, list[Answer]] = {}
    for answer in _of_clips(answers, asked):
        of_clip = by_clip.setdefault(answer.utt, [])
        copy = next((earlier for earlier in of_clip if _same(earlier, answer)), None)
        if copy is None:
            of_clip.append(answer)
        else:
            text = f"repeats {copy.where}; counted once"
            problems.append(Problem(answer.where, answer.utt, "duplicate", text))
    for utt in sorted(set(by_clip) - asked):
        text = "nobody asked for this clip; used where it is asked for later"
        problems.append(Problem(by_clip[utt][0].where, utt, "not asked for", text))
    return Answered(by_clip, problems, asked)


def _same(a: Answer, b: Answer) -> bool:
    return (a.value, a.annotator, a.decides) == (b.value, b.annotator, b.decides)


def _of_clips(answers: Sequence[Answer], asked: Collection[str]) -> list[Answer]:
    """Return the answers with the clips' names as in the queries, and one name per person.

    A spreadsheet, or the person who types a row, may add a blank to a name or lose one. People
    write their own name with and without capitals; the first spelling counts.
    """
    people: dict[str, str] = {}
    plain: dict[str, list[str]] = {}
    for utt in asked:
        plain.setdefault(_plain(utt), []).append(utt)
    named = []
    for answer in answers:
        same = plain.get(_plain(answer.utt), [])
        exact = answer.utt in asked or len(same) != 1
        who = people.setdefault(_plain(answer.annotator).casefold(), answer.annotator)
        named.append(replace(answer, utt=answer.utt if exact else same[0], annotator=who))
    return named


def _plain(utt: str) -> str:
    return unicodedata.normalize("NFC", " ".join(utt.split()))


def _is_table(path: Path) -> bool:
    hidden = path.name.startswith((".", "~$"))  # of the file manager or the spreadsheet
    return path.suffix.lower() in _TABLES and not hidden and path.is_file()


def _elsewhere(path: Path, question: Path) -> Problem:
    text = f"is not read where it is; expected a CSV or JSON in {question / ANSWERS}/"
    return Problem(str(path), "", "file", text)


def _entries(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from folder.iterdir()


def _files(question: Path, problems: list[Problem]) -> list[Path]:
    """Return the files that may hold answers: the queue, decisions, and those in answers/."""
    beside = [
        path
        for path in _entries(question)
        if path.name == QUEUE
        or (path.name.lower().startswith(ADJUDICATE) and path.suffix.lower() == ".csv")
    ]
    for path in sorted(_entries(question)):
        if _is_table(path) and path.name not in _OURS and path not in beside:
            problems.append(_elsewhere(path, question))
    given = []
    for path in sorted(_entries(question / ANSWERS)):
        if path.name.startswith((".", "~$")):
            continue  # of the file manager or the spreadsheet
        if path.suffix.lower() in (".csv", ".tsv", ".json") and path.is_file():
            given.append(path)
        else:
            text = "is not CSV or JSON; expected a filled queue or Label Studio's export"
            problems.append(Problem(str(path), "", "file", text))
    return [*sorted(beside), *given]


def _answer(
    row: dict[str, str], class_names: dict[str, str], decides: bool, where: str
) -> Answer | Problem | None:
    utt, label = row.get("utt", ""), row.get("label", "")
    status = row.get("status", "").lower()
    if not label and not status:
        return None  # not answered yet
    if not utt:
        return Problem(where, "", "row", "has no clip; expected its name under utt")
    if status not in ("", *STATUSES):
        text = f"status {status!r}; expected one of {', '.join(STATUSES)} or nothing"
        return Problem(where, utt, "unknown status", text)
    if status in ("skipped", "unusable"):
        if label:
            text = f"has the label {label!r} and is {status}; expected one of the two"
            return Problem(where, utt, "contradiction", text)
        return Answer(utt, status, row.get("annotator", ""), decides, where)
    if label.casefold() not in class_names:
        text = f"label {label!r}; expected one of {', '.join(class_names.values())}"
        return Problem(where, utt, "unknown label", text)
    return Answer(utt, class_names[label.casefold()], row.get("annotator", ""), decides, where)
