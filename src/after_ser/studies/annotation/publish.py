"""Publishing a query, and the lists that people work from. What was published stays as it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from after_ser.core.errors import InputError
from after_ser.run.atomic import write_text, write_tsv
from after_ser.studies.annotation.answers import Answered, Problem
from after_ser.studies.annotation.label_studio import interface_text, tasks_text
from after_ser.studies.annotation.page import fits, write_page
from after_ser.studies.annotation.places import (
    ADJUDICATE,
    ANSWERS,
    INTERFACE,
    PAGE,
    PROBLEMS,
    QUERY,
    QUEUE,
    TASKS,
    folder_of,
)
from after_ser.studies.annotation.queue import QueuedClip
from after_ser.studies.annotation.queue_csv import queue_text, read_query, read_rows
from after_ser.studies.annotation.state import State


def queued_clips(utts: Sequence[str], manifest: pd.DataFrame) -> list[QueuedClip]:
    """Return the clips of a query (rank order) with their 16 kHz audio, relative to the checkout.

    manifest: the dataset's, with utt, path and duration_s. Raises InputError for a clip that it
    lacks.
    """
    rows = manifest.set_index("utt")
    gone = [utt for utt in utts if utt not in rows.index]
    if gone:
        raise InputError(
            f"{gone[0]} (and {len(gone) - 1} more) was asked for and is not in the dataset any "
            "more; expected the audio of every published query to stay"
        )
    return [
        QueuedClip(rank, utt, Path(rows.at[utt, "path"]), float(rows.at[utt, "duration_s"]))
        for rank, utt in enumerate(utts, 1)
    ]


def publish(
    query: pd.DataFrame,
    manifest: pd.DataFrame,
    *,
    run: str,
    asked: str,
    classes: Sequence[str],
    known: Collection[str] = (),
) -> Path:
    """Write a query's folder, unless it is there; return it. query.tsv comes last.

    query: query.tsv as text (utt, rank, score …), in rank order; a query that was published before
    must have the same clips (RuntimeError: nothing may ask anew). known: clips that were answered
    before they were asked for, and are left out of what people see. The page has the audio in it
    as far as a page holds it, and so may be sent to somebody. A part that was lost is written
    again.
    """
    folder = folder_of(run, asked)
    frozen = folder / QUERY
    utts = list(query["utt"])
    if frozen.exists() and read_query(frozen) != utts:
        raise RuntimeError(f"{frozen} was published with other clips")
    (folder / ANSWERS).mkdir(parents=True, exist_ok=True)
    clips = [clip for clip in queued_clips(utts, manifest) if clip.utt not in known]
    _once(folder / QUEUE, queue_text(clips, folder))
    _once(folder / TASKS, tasks_text(clips))
    _once(folder / INTERFACE, interface_text(classes))
    if clips and not (folder / PAGE).exists():
        write_page(
            folder / PAGE, run=run, asked=asked, classes=classes, clips=clips, embed=fits(clips)
        )
    if not frozen.exists():
        write_tsv(frozen, query)
    return folder


def _once(path: Path, text: str) -> None:
    """Write a file that a person may fill in, but never over one that is there."""
    if not path.exists():
        write_text(path, text)


def write_lists(state: State) -> None:
    """Write what is open: problems.tsv of the last query that was asked, and the adjudication list.

    problems.tsv is ours and written anew. A list of disputed clips is a person's once it is there:
    where others are disputed, another one is written beside it.
    """
    folder = state.lists_in
    if folder is None:
        return
    disputed = state.resolved[state.next].disputed if state.next and state.published else {}
    write_tsv(folder / PROBLEMS, problems_frame(state.answered, disputed))
    if disputed:
        _write_disputed(folder, disputed)


def problems_frame(answered: Answered, disputed: dict[str, str]) -> pd.DataFrame:
    """Return where, utt, kind, text of everything that is wrong with answers, or worth knowing."""
    rows = [
        *answered.problems,
        *(
            Problem(answered.by_clip[utt][0].where, utt, "disputed", text)
            for utt, text in disputed.items()
        ),
    ]
    frame = pd.DataFrame([vars(row) for row in rows], columns=["where", "utt", "kind", "text"])
    return frame.map(lambda text: " ".join(str(text).split()))


def _write_disputed(folder: Path, disputed: dict[str, str]) -> None:
    try:
        queue = read_rows(folder / QUEUE)
    except InputError:  # moved, or saved as something else; it says where clips are, no more
        queue = []
    audio = {row["utt"]: row.get("audio", "") for _, row in queue}
    asked = read_query(folder / QUERY)
    shown = [
        # relative to the queue's folder there, to the checkout here
        QueuedClip(asked.index(utt) + 1, utt, folder / audio.get(utt, ""), 0.0)
        for utt in disputed
    ]
    number = 1
    while True:
        path = folder / (f"{ADJUDICATE}.csv" if number == 1 else f"{ADJUDICATE}-{number}.csv")
        if not path.exists():
            break
        try:
            rows = [row for _, row in read_rows(path)]
        except InputError:
            rows = []
        if {row["utt"] for row in rows} == set(disputed) and not any(map(_typed, rows)):
            return  # the same list, which nobody has filled in
        number += 1
    write_text(path, queue_text(shown, folder, list(disputed.values())))


def _typed(row: dict[str, str]) -> bool:
    return any(row.get(name) for name in ("label", "status", "annotator"))
