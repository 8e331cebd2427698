"""`python -m after_ser export`: a run's model as a folder that transformers loads as it is."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from after_ser.core.errors import InputError
from after_ser.core.paths import Paths

if TYPE_CHECKING:
    from after_ser.tools.export.calibration import Calibration
    from after_ser.tools.export.choose import Chosen, Wanted

_TITLES = {"val": "validation", "test": "test"}


def add_export(commands: Any) -> None:
    """Add the command `export` to the subparsers of `python -m after_ser`."""
    parser = commands.add_parser(
        "export", help="write a model as a Hugging Face folder with a model card"
    )
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--dataset", help="needed if the arm has several datasets")
    parser.add_argument("--arm", help="needed if several arms can be exported")
    parser.add_argument("--fold", type=int, help="default: that of the best model on val")
    parser.add_argument("--seed", type=int, help="default: that of the best model on val")
    parser.add_argument("--round", type=int, help="default: the last finished round")
    parser.add_argument(
        "--out", type=Path, help="folder to write; default: results/<run>/export/<model>"
    )
    parser.set_defaults(run_command=_run)


def _run(given: argparse.Namespace) -> int:
    from after_ser.tools.export.choose import Wanted

    wanted = Wanted(given.dataset, given.arm, given.fold, given.seed, given.round)
    folder, line = export(given.run, wanted, given.out)
    print(f"{folder}: {line}")
    return 0


def export(run: str, wanted: Wanted, out: Path | None) -> tuple[Path, str]:
    """Write the model of `run` that `choose` finds; return its folder and one line about it.

    The folder is written whole or not at all. Raises InputError with one line where the run, the
    model or its files are not there or do not fit, and where `out` holds something else.
    """
    from after_ser.data.datasets.tables import read_fold, read_labelled, read_manifest
    from after_ser.model.registry import family_of
    from after_ser.run.atomic import read_json, write_text
    from after_ser.tools.export.card import Material, write_card
    from after_ser.tools.export.choose import choose, read_run
    from after_ser.tools.export.folder import new_folder, write_record
    from after_ser.tools.export.model import write_model

    config = read_run(run)
    chosen = choose(config, wanted)
    cell, classes = chosen.cell, list(config["classes"])
    manifest = read_manifest(cell.manifest)
    for name in ("gender", "language"):
        if name not in manifest:
            manifest[name] = ""
    calibration, errors = _calibrate(chosen, classes)
    name = f"{cell.arm}-{cell.dataset}-round{cell.round}-fold{cell.fold}-seed{cell.seed}"
    target = out or Path(Paths(run).run, "export", name)
    with new_folder(target) as folder:
        start = Path(cell.start_folder)
        write_model(folder, Path(cell.folder) / "model", start, calibration.temperature)
        apart, checked = _check(folder, config, chosen, manifest, calibration)
        answers_file = Path(cell.labelled).with_name("answers.json")
        card = write_card(
            config,
            chosen,
            Material(
                manifest=manifest,
                fold=read_fold(cell.fold_table),
                labelled=read_labelled(cell.labelled, classes),
                metrics=read_json(cell.metrics),
                calibration=calibration,
                errors=errors,
                origin=read_json(f"{cell.backbone_folder}/origin.json"),
                family=family_of(start),
                checked=checked,
                answers=read_json(answers_file) if answers_file.is_file() else None,
            ),
        )
        write_text(folder / "README.md", card)
        record = {
            **{key: getattr(cell, key) for key in ("run", "arm", "dataset", "backbone", "start")},
            **{key: getattr(cell, key) for key in ("round", "fold", "seed", "budget")},
            "chosen": chosen.reason,
            "temperature": calibration.temperature,
            "calibration": calibration.note,
            "largest_difference": apart,
        }
        write_record(folder, record)
    line = (
        f"fold {cell.fold}, seed {cell.seed}, round {cell.round} of arm {cell.arm} "
        f"({chosen.reason}); {calibration.note}; {checked}"
    )
    return target, line


def _calibrate(
    chosen: Chosen, classes: list[str]
) -> tuple[Calibration, dict[str, tuple[float, float]]]:
    """Return the temperature of the val clips, and ECE before and after of val and test."""
    from after_ser.tools.export.calibration import calibration_error, fit_temperature, rescaled
    from after_ser.tools.export.choose import read_predictions

    table, probs = read_predictions(chosen.cell, classes, "val")
    calibration = fit_temperature(probs, [classes.index(label) for label in table["label"]])
    errors = {}
    for split, title in _TITLES.items():
        table, probs = read_predictions(chosen.cell, classes, split)
        truth = [classes.index(label) for label in table["label"]]
        after = rescaled(probs, calibration.temperature) if len(probs) else probs
        before_and_after = calibration_error(probs, truth), calibration_error(after, truth)
        if not math.isnan(before_and_after[0]):
            errors[title] = before_and_after
    return calibration, errors


def _check(
    folder: Path, config: dict[str, Any], chosen: Chosen, manifest: Any, calibration: Calibration
) -> tuple[float | None, str]:
    """Return how far the folder is from the run's predictions, and a sentence about it.

    On val clips; under `crop: head` the run saw only their beginnings, so test clips, which are
    never cropped, take their place.
    """
    import pandas as pd

    from after_ser.tools.export.choose import read_predictions
    from after_ser.tools.export.model import check_model, chosen_clips

    cell, classes = chosen.cell, list(config["classes"])
    split = "test" if config["protocols"][cell.protocol]["crop"] == "head" else "val"
    table, probs = read_predictions(cell, classes, split)
    if table.empty:
        return None, f"There was no {split} clip to compare it with the run's own probabilities."
    clips = manifest.set_index("utt")
    lost = sorted(set(table["utt"]) - set(clips.index))
    if lost:
        raise InputError(
            f"export: {cell.manifest} has no clip {lost[0]} of "
            f"{cell.predictions}; expected the manifest that the run was made with"
        )
    recorded = pd.concat(
        [table, pd.DataFrame(probs, columns=[f"p_{name}" for name in classes])], axis=1
    )
    seconds = clips.loc[table["utt"], "duration_s"].astype(float)
    recorded = recorded.iloc[chosen_clips(list(seconds))]
    paths = dict(zip(clips.index, clips["path"], strict=True))
    apart = check_model(folder, recorded, paths, classes, calibration.temperature)
    return apart, (
        f"On {len(recorded)} {_TITLES[split]} clips the folder's probabilities, the temperature "
        f"taken out, are within {_up(apart)} of those that the run recorded."
    )


def _up(value: float) -> str:
    """Return the number rounded up to one digit, as 2e-06: machines differ in the last ones."""
    if value <= 0:
        return "1e-09"
    digit = 10.0 ** math.floor(math.log10(value))
    return f"{math.ceil(round(value / digit, 6)) * digit:.0e}"
