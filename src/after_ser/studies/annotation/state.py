"""How far a run with a person as the oracle has come, from its files alone.

Light on imports: the Snakefile asks, to know where the DAG ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from after_ser.studies.annotation.answers import Answered, read_answered
from after_ser.studies.annotation.places import (
    PROBLEMS,
    QUERY,
    QUEUE,
    ROOT,
    every_question,
    folder_of,
)
from after_ser.studies.annotation.queue_csv import read_query
from after_ser.studies.annotation.resolve import Resolved, resolve_answers


@dataclass(frozen=True)
class State:
    """Questions and answers of a run.

    done:     the questions that are answered completely, in order (val, round0 ...).
    next:     the question after them: published but not answered completely, or not asked yet.
              None if everything is answered.
    resolved: the state of every published query up to `next`.
    answered: all answers.
    """

    run: str
    done: list[str]
    next: str | None
    answered: Answered
    resolved: dict[str, Resolved] = field(default_factory=dict)
    root: Path = ROOT

    @property
    def published(self) -> bool:
        """Whether the run waits for a person: `next` was asked."""
        return self.next in self.resolved

    @property
    def unused(self) -> int:
        """How many rows and files could not be used."""
        noted = ("duplicate", "not asked for")
        return sum(problem.kind not in noted for problem in self.answered.problems)

    @property
    def lists_in(self) -> Path | None:
        """The folder of the question that waits for answers, else of the last one."""
        if self.next is not None and self.published:
            return folder_of(self.run, self.next, self.root)
        return folder_of(self.run, self.done[-1], self.root) if self.done else None

    def digest(self, asked: str) -> str:
        """Return a hash of the answers to one query, "" while it is not answered completely."""
        resolved = self.resolved.get(asked)
        return resolved.digest if resolved is not None and resolved.complete else ""


def read_state(
    run: str,
    rounds: int,
    classes: Sequence[str],
    oracle: Mapping[str, Any],
    root: Path = ROOT,
) -> State:
    """Return how far a run of so many rounds (round 0 included) has come.

    Raises InputError where a published query.tsv was changed.
    """
    answered = read_answered(root / run, classes)
    done: list[str] = []
    resolved: dict[str, Resolved] = {}
    for asked in every_question(rounds):
        query = folder_of(run, asked, root) / QUERY
        if not query.is_file():
            return State(run, done, asked, answered, resolved, root)
        resolved[asked] = resolve_answers(read_query(query), answered.by_clip, oracle)
        if not resolved[asked].complete:
            return State(run, done, asked, answered, resolved, root)
        done.append(asked)
    return State(run, done, None, answered, resolved, root)


def waiting_line(state: State, pages: Sequence[str] = ()) -> str:
    """Return the one line that says what to do next; "" if the run waits for nobody.

    pages: of the rounds' progress, in their order; the last one that exists is named.
    """
    line = _next_step(state)
    so_far = [page for page in pages if Path(page).is_file()]
    return f"{line} (so far: {so_far[-1]})" if line and so_far else line


def _next_step(state: State) -> str:
    unused = f"; {state.unused} rows or files could not be used" if state.unused else ""
    if unused and state.lists_in is not None:
        unused += f" (see {state.lists_in / PROBLEMS})"
    if state.next is None:
        return f"{state.run}: every question is answered{unused}"
    if not state.published:
        asked = state.done[-1] if state.done else ""
        if not asked:
            return ""
        return f"{state.run}: {asked} is answered: the same command goes on{unused}"
    folder, query = folder_of(state.run, state.next, state.root), state.resolved[state.next]
    total = len(query.labels) + len(query.out) + len(query.missing) + len(query.disputed)
    parts = []
    if query.missing:
        parts.append(f"{len(query.missing)} of {total} clips of {state.next} have no answer yet")
    if query.disputed:
        parts.append(f"answers differ on {len(query.disputed)} (decide in {_newest_list(folder)})")
    text = " and ".join(parts) + unused
    foreign = sum(problem.kind == "not asked for" for problem in state.answered.problems)
    if query.missing and foreign:
        text += f"; {foreign} clips were answered that nobody asked for (see {folder / PROBLEMS})"
    if query.missing:
        text += f": open {folder / 'page.html'} or fill in {folder / QUEUE}, then"
    else:
        text += ": then"
    return f"{state.run}: {text} give the same command again"


def _newest_list(folder: Path) -> Path:
    from after_ser.studies.annotation.places import ADJUDICATE

    lists = sorted(folder.glob(f"{ADJUDICATE}*.csv"), key=lambda path: (len(path.name), path.name))
    return lists[-1] if lists else folder / f"{ADJUDICATE}.csv"
