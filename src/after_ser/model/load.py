"""Strict reading of checkpoint folders as transformers writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from after_ser.core.errors import InputError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PREPROCESSOR = "preprocessor_config.json"
ORIGIN = "origin.json"

Folder = str | os.PathLike[str]


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object of a checkpoint folder; InputError where it is missing or none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"backbone: {path} is missing; expected a checkpoint folder") from None
    except (OSError, ValueError) as error:
        raise InputError(f"backbone: cannot read {path}: {error}; expected JSON") from None
    if not isinstance(value, dict):
        raise InputError(f"backbone: {path} holds no JSON object")
    return value


def expect_weights(folder: Path) -> Path:
    """Return the path of a checkpoint folder's weights; InputError where there are none."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"backbone: no {WEIGHTS} in {folder}; expected a checkpoint folder")
    return path


def expect_complete(path: Path, missing: list[str], kind: str) -> None:
    """Raise InputError where weights of a class are missing in a file."""
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise InputError(
            f"backbone: {path} lacks {len(missing)} weights of {kind} "
            f"({shown}); expected a complete checkpoint"
        )


def load_model(kind: Any, folder: Folder, optional: tuple[str, ...] = ()) -> tuple[Any, set[str]]:
    """Return a model of a class of transformers, float32 and in evaluation mode, and what it lacks.

    Raises InputError where the file lacks a weight of the class that is not in `optional`, or has
    one of another shape: transformers would draw it at random. The second value names those of
    `optional` that were drawn so.
    """
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    path = expect_weights(Path(folder))
    with quiet_transformers():
        try:
            model, info = kind.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except (
            OSError,
            RuntimeError,
            ValueError,
            SafetensorError,
            StrictDataclassError,
        ) as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"backbone: cannot load {path}: {reason}") from error
    missing = set(info["missing_keys"])
    expect_complete(path, sorted(missing - set(optional)), kind.__name__)
    return model.eval(), missing


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hide the loading report and progress bar: what matters of it is checked and raised here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
