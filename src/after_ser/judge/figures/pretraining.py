"""Figure of a backbone's pre-training: loss and use of the code book, learnt and held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from after_ser.judge.figures.style import PALETTE, plt, save, styled
from after_ser.run.atomic import read_json, read_tsv

#: A step's loss is that of its batch; the line is the mean of this share of all steps.
_SMOOTHED = 0.05


def write_pretraining_figure(
    folder: str | Path, name: str, svg: str | Path, png: str | Path
) -> None:
    """Draw log.tsv and validation.tsv of a backbone's `folder`; `name` is for the title.

    Left: the loss by step. Right: the perplexity of the codes at masked frames, from one code per
    group to all of them, where the objective reads codes.
    """
    root = Path(folder)
    log = _numbers(root / "log.tsv")
    held_out = _numbers(root / "validation.tsv")
    summary = read_json(root / "summary.json")
    origin = read_json(root / "origin.json").get("held_out", {"clips": 0, "by": ""})
    codes = "perplexity" in log
    with styled():
        figure = plt.figure(layout="constrained", figsize=(8.8 if codes else 4.8, 3.5))
        panels = figure.subplots(1, 2 if codes else 1, squeeze=False)[0]
        _draw(panels[0], log, held_out, "loss", "loss")
        if codes:
            _draw(panels[1], log, held_out, "perplexity", "perplexity of the codes")
            most = float(summary["perplexity_of_all_codes"])
            panels[1].set_ylim(0, None)
            panels[1].set_title(f"all codes alike would be {most:g}", fontsize=9)
        panels[0].legend()
        figure.suptitle(f"Pre-training of {name}\n{_told(origin)}", x=0.0, ha="left", fontsize=11)
        save(figure, svg, png)


def _numbers(path: Path) -> pd.DataFrame:
    columns = tuple(path.read_text(encoding="utf-8").partition("\n")[0].split("\t"))
    return read_tsv(path, numeric=columns)


def _told(held_out: dict[str, Any]) -> str:
    if not held_out["clips"]:
        return "nothing was held out"
    kind = "of speakers that are not learnt from" if held_out["by"] == "speakers" else "at random"
    return f"held out: {held_out['clips']} clips, {kind}; codes are drawn in training, not there"


def _draw(axes: Axes, log: pd.DataFrame, held_out: pd.DataFrame, column: str, title: str) -> None:
    window = max(1, round(_SMOOTHED * len(log)))
    mean = log[column].rolling(window, min_periods=1).mean()
    axes.plot(log["step"], log[column], color=PALETTE[0], alpha=0.25, linewidth=0.8)
    axes.plot(log["step"], mean, color=PALETTE[0], label=f"learnt (mean of {window} steps)")
    if len(held_out) and column in held_out:
        axes.plot(
            held_out["step"], held_out[column], color=PALETTE[1], marker="o", label="held out"
        )
    axes.set_xlabel("step")
    axes.set_ylabel(title)
