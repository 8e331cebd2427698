"""How static figures look, and how they are written to the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend must be chosen first)
from matplotlib.figure import Figure  # noqa: E402

from after_ser.run.atomic import atomic_path  # noqa: E402

# Okabe and Ito's colour-blind safe palette, without its yellow (too pale for lines).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PUBLISHED = "#777777"
PUBLISHED_LABEL = "published (IEMOCAP-merged)"
DPI = 150

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "svg.hashsalt": "after-ser",  # else every file gets random element ids
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save inside this block: the project's look, whatever the user's matplotlibrc."""
    with plt.rc_context():
        plt.rcdefaults()
        plt.rcParams.update(_SETTINGS)
        try:
            yield
        finally:
            plt.close("all")


def save(figure: Figure, svg: str | Path, png: str | Path) -> None:
    """Write the figure as SVG and PNG without dates or versions in them."""
    with atomic_path(svg) as temporary:
        figure.savefig(temporary, format="svg", bbox_inches="tight", metadata={"Date": None})
    with atomic_path(png) as temporary:
        figure.savefig(
            temporary, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None}
        )
