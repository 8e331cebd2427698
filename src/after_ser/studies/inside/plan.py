"""Which pages there are and what each is made of. Light on imports: the Snakefile asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from after_ser.core.cells import Cell
from after_ser.core.errors import InputError

Config = Mapping[str, Any]


def pages(config: Config, cells: Iterable[Cell]) -> dict[tuple[str, str], list[Cell]]:
    """Return the cells of every page by (dataset, arm), in the order of the grid.

    `cells` is the whole grid. Raises InputError where `inside.arms` names an arm that no
    table or figure shows.
    """
    wanted = config["inside"]["arms"]
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if wanted == "all" or cell.arm in wanted:
            found.setdefault((cell.dataset, cell.arm), []).append(cell)
    for arm in [] if wanted == "all" else wanted:
        if arm not in {shown for _, shown in found}:
            raise InputError(
                f"config: inside.arms: no table or figure shows {arm}, so it is not run; expected "
                "arms that are shown"
            )
    return found


def runs_of(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Return the cells of one page by run (fold and seed), each in the order of its rounds.

    All folds of the first seed come before those of the next one, so that the first runs, of
    which single clips are shown, have as many different clips as there can be.
    """
    by_run: dict[tuple[int, int], list[Cell]] = {}
    for cell in cells:
        by_run.setdefault((cell.seed, cell.fold), []).append(cell)
    return [sorted(by_run[key], key=lambda cell: cell.round) for key in sorted(by_run)]


def files_of(cells: Sequence[Cell], detailed: int) -> list[str]:
    """Return every file that the page of these cells reads; `detailed` runs show single clips."""
    found: dict[str, None] = {}
    for number, run in enumerate(runs_of(cells)):
        last = run[-1]
        found |= dict.fromkeys((last.manifest, last.fold_table))
        for cell in run:
            found |= dict.fromkeys((cell.metrics, cell.labelled))
        found[last.predictions] = None
        if number < detailed:
            found[f"{last.folder}/pool.tsv"] = None
            for cell in run:
                found |= dict.fromkeys((cell.selection_files or ())[:1])
            folder = last.latents_folder
            found |= dict.fromkeys((f"{folder}/index.tsv", f"{folder}/means.npy"))
    return list(found)
