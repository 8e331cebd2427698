"""What the config says of the pages that look inside arms.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le

from after_ser.core.settings import Count, Name, Set, Settings, key


class Inside(Settings):
    """Pages that look inside single arms."""

    arms: Literal["all"] | Set[Name] = key(
        [],
        "arms that get a page on every dataset that a table or figure shows them on; `all`",
        ["after", "kmeans-random"],
    )
    runs: Count = key(
        2,
        "runs of which single clips are shown: the folds of the first seed, then those of the "
        "next. Charts, and mistakes in val and test, are of all runs",
    )
    points: Annotated[int, Ge(1), Le(20000)] = key(
        800, "most clips on the map of a run, half of the places kept for picked ones"
    )
    picks: Annotated[int, Ge(1), Le(1000)] = key(
        12, "most clips listed of a round, in order of rank"
    )
    errors: Annotated[int, Ge(1), Le(1000)] = key(
        12,
        "most mistakes listed of each kind of clip: test, val, the rest of the pool, just picked",
    )
    embedded: Annotated[int, Ge(0), Le(1000)] = key(
        24,
        "most clips whose audio (MP3, the first 10 s) is inside the page, and so plays in the "
        "report; the others play from `results/` when the page is opened there",
    )
