"""What a run asks people, how far they have come, and so where its DAG ends.

The DAG ends at the first query that is not answered. What was answered is looked up while the
workflow is parsed; what rules depend on is a hash of it, so that a round is fitted again when and
only when an answer to it has changed. Light on imports: the Snakefile asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from after_ser.core.cells import Cell
from after_ser.core.paths import Paths
from after_ser.core.people import human_protocols
from after_ser.studies.annotation.places import QUERY, VAL, asked_in, every_question, folder_of
from after_ser.studies.annotation.state import State, read_state

Config = dict[str, Any]


class Asked:
    """The questions of a run to people; there are none where no arm's oracle is a person."""

    def __init__(self, config: Config, cells: Iterable[Cell]) -> None:
        """`cells` is the whole grid."""
        self.run = str(config["run"])
        self.protocols = human_protocols(config)
        #: Every round of the one arm that people are asked for.
        self.cells = [cell for cell in cells if cell.protocol in self.protocols]
        self.oracle = config["protocols"][self.protocols[0]]["oracle"] if self.protocols else {}
        self._classes = config["classes"]

    def current_state(self) -> State:
        """Return questions and answers, read anew. Raises InputError where a query was changed."""
        return read_state(self.run, len(self.cells), self._classes, self.oracle)

    @cached_property
    def state(self) -> State:
        """Questions and answers as they were when the run started; InputError as above."""
        return self.current_state()

    def answered(self, cell: Cell) -> bool:
        """Tell whether a cell can be fitted: its query is answered, or nobody was asked."""
        return cell.protocol not in self.protocols or asked_in(cell.round) in self.state.done

    def digest(self, asked: str) -> str:
        """Return a hash of the answers to a query."""
        return self.state.digest(asked)

    def query(self, asked: str) -> str:
        """Return the path of the clips that a query asks for."""
        if asked == VAL:
            return self.cells[0].of_fold("val_query.tsv")
        cell = self.cells[int(asked.removeprefix("round"))]
        return f"{cell.folder}/query.tsv" if cell.round else f"{cell.seed_folder}/initial.tsv"

    def published(self, asked: str) -> str:
        """Return where a query lies once people were asked it; it is never removed."""
        return str(folder_of(self.run, asked) / QUERY)

    @property
    def pages(self) -> list[str]:
        """The page after each round, of finished rounds and of those to come."""
        return [f"{cell.folder}/progress.html" for cell in self.cells]

    def targets(self) -> list[str]:
        """Return the queries up to the first one that waits for answers, and what needs none.

        TAPT and latents need none: they are made while people label the first clips.
        """
        if not self.cells:
            return []
        questions, waiting = every_question(len(self.cells)), self.state.next
        last = len(questions) if waiting is None else questions.index(waiting) + 1
        files = [f"{Paths(self.run).annotation}/{asked}.json" for asked in questions[:last]]
        # val is asked for before round 0, so a round before the last question has been fitted
        rounds = len(self.cells) if waiting is None else max(0, last - 2)
        steps = self.cells[0].lineage
        unlabelled = [path for part, path in steps if part in ("tapt", "latents")]
        return [*files, *self.pages[:rounds], *unlabelled]
