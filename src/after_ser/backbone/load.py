"""Strict loading of wav2vec 2.0 checkpoint folders."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from after_ser.errors import InputError

if TYPE_CHECKING:
    from transformers import Wav2Vec2ForPreTraining, Wav2Vec2Model

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PREPROCESSOR = "preprocessor_config.json"
ORIGIN = "origin.json"

Folder = str | os.PathLike[str]


def read_config(folder: Folder) -> dict[str, Any]:
    """Return config.json of a checkpoint folder; InputError unless it is a wav2vec 2.0 one."""
    config = _read_json(Path(folder) / CONFIG)
    if config.get("model_type") != "wav2vec2":
        raise InputError(
            f"backbone: {Path(folder) / CONFIG} has model_type {config.get('model_type')!r}; "
            "expected 'wav2vec2'"
        )
    return config


def wants_normalised(folder: Folder) -> bool:
    """Tell whether the checkpoint's preprocessor asks for zero-mean unit-variance input.

    Raises InputError where it expects another sampling rate than 16 kHz.
    """
    preprocessor = _read_json(Path(folder) / PREPROCESSOR)
    rate = preprocessor.get("sampling_rate", 16_000)
    if rate != 16_000:
        raise InputError(
            f"backbone: {Path(folder) / PREPROCESSOR} wants {rate} Hz; expected 16000 Hz"
        )
    return bool(preprocessor.get("do_normalize", True))


def normalise(waveform: np.ndarray) -> np.ndarray:
    """Return the clip with zero mean and unit variance, float32 (as Wav2Vec2FeatureExtractor).

    To be applied per clip, before any padding, where `wants_normalised` says so. The small
    constant keeps a silent clip finite.
    """
    mean = waveform.mean(dtype=np.float64)
    variance = waveform.var(dtype=np.float64)
    return ((waveform - mean) / np.sqrt(variance + 1e-7)).astype(np.float32)


def load_pretraining_model(folder: Folder) -> Wav2Vec2ForPreTraining:
    """Return the model with quantiser and projection heads, float32, in evaluation mode.

    Raises InputError where weights are missing: a fine-tuned checkpoint has no quantiser, and a
    random one would make task-adaptive pre-training chase random targets unnoticed.
    """
    from transformers import Wav2Vec2ForPreTraining

    return _load(Wav2Vec2ForPreTraining, Path(folder), optional=())


def load_encoder(folder: Folder) -> Wav2Vec2Model:
    """Return CNN and transformer without the pre-training head, float32, in evaluation mode.

    Raises InputError where any of their weights is missing or has another shape. Only the mask
    embedding may be absent, since fine-tuning masks nothing.
    """
    from transformers import Wav2Vec2Model

    return _load(Wav2Vec2Model, Path(folder), optional=("masked_spec_embed",))


def _load(kind: Any, folder: Path, optional: tuple[str, ...]) -> Any:
    import torch
    from safetensors import SafetensorError

    read_config(folder)
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"backbone: no {WEIGHTS} in {folder}; expected a checkpoint folder")
    with quiet_transformers():
        try:
            model, info = kind.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"backbone: cannot load {folder / WEIGHTS}: {reason}") from error
    missing = sorted(set(info["missing_keys"]) - set(optional))
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise InputError(
            f"backbone: {folder / WEIGHTS} lacks {len(missing)} weights of {kind.__name__} "
            f"({shown}); expected a complete checkpoint"
        )
    return model.eval()


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


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"backbone: {path} is missing; expected a checkpoint folder") from None
    except (OSError, ValueError) as error:
        raise InputError(f"backbone: cannot read {path}: {error}; expected JSON") from None
    if not isinstance(value, dict):
        raise InputError(f"backbone: {path} holds no JSON object")
    return value
