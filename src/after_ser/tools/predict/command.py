"""`python -m after_ser predict`: a table of labels and probabilities of recordings."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any


def add_predict(commands: Any) -> None:
    """Add the command `predict` to the subparsers of `python -m after_ser`."""
    parser = commands.add_parser(
        "predict", help="label recordings with an exported model; write a CSV"
    )
    parser.add_argument("--model", type=Path, required=True, help="a folder written by export")
    parser.add_argument("files", nargs="+", help="audio files, folders, or patterns")
    parser.add_argument("--out", type=Path, help="the CSV file; default: print it")
    parser.add_argument(
        "--window",
        type=float,
        default=10.0,
        help="cut longer files into windows of so many seconds; 0: never",
    )
    parser.add_argument(
        "--hop", type=float, help="seconds from window to window; default: no overlap"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.set_defaults(run_command=_run)


def _run(given: argparse.Namespace) -> int:
    from after_ser.tools.predict.windows import Windows

    windows = Windows(given.window, given.window if given.hop is None else given.hop)
    return predict_files(given.model, given.files, windows, given.out, given.device)


def predict_files(
    model: Path, files: list[str], windows: Any, out: Path | None, device: str = "auto"
) -> int:
    """Write the CSV of all files and return 0, or 1 where a file could not be used.

    Each of those is one line on stderr; the others' rows are written all the same. `windows` is a
    `tools.predict.windows.Windows`. With `out` the table is written whole or not at all, else
    printed as it comes.
    """
    from after_ser.run.atomic import atomic_path
    from after_ser.run.device import choose_device, make_deterministic
    from after_ser.tools.predict import table
    from after_ser.tools.predict.scorer import Scorer

    make_deterministic()
    scorer = Scorer(model, choose_device(device))
    recordings = table.Recordings(files, windows)
    with ExitStack() as stack:
        stream = sys.stdout
        if out is not None:
            temporary = stack.enter_context(atomic_path(out))
            stream = stack.enter_context(temporary.open("w", encoding="utf-8", newline=""))
        table.write([table.header(scorer.classes)], stream)
        scored = table.scored(recordings.pieces(), scorer.score)
        table.write(table.rows(scored, scorer.classes), stream)
    if not recordings.unusable:
        return 0
    print(
        f"error: {recordings.unusable} of {recordings.unusable + recordings.usable} could not be "
        f"used, the others are in {out or 'the table'}",
        file=sys.stderr,
    )
    return 1
