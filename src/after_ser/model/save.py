"""Writing weights, and where they come from."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from after_ser.core.errors import InputError
from after_ser.model.load import ORIGIN, WEIGHTS
from after_ser.run.atomic import atomic_path, write_json

if TYPE_CHECKING:
    import torch


def check_finite(path: str | os.PathLike[str], tensors: dict[str, torch.Tensor]) -> None:
    """Raise InputError for a weight that is NaN or infinite, as after a last step that overflew.

    `path` says which model it was to be.
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise InputError(
                f"{path}: training has left NaN or infinity in the weight {name}, and no model is "
                "written; expected finite weights, try a lower learning_rate"
            )


def save_tensors(path: str | os.PathLike[str], tensors: dict[str, torch.Tensor]) -> None:
    """Write named tensors as safetensors, atomically; equal tensors give equal bytes.

    Raises InputError, and writes nothing, where training has left a weight that is not finite.
    """
    from safetensors.torch import save_file

    check_finite(path, tensors)
    whole = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(whole, temporary, metadata={"format": "pt"})


def write_origin(
    folder: str | os.PathLike[str], kind: str, source: str, revision: str, **more: Any
) -> None:
    """Write origin.json: where the weights come from, their number and their SHA-256.

    `kind` is "hub", "folder" or "scratch"; `more` is added as it is.
    """
    folder = Path(folder)
    record = {
        "kind": kind,
        "source": source,
        "revision": revision,
        "parameters": count_parameters(folder / WEIGHTS),
        "sha256": file_sha256(folder / WEIGHTS),
        **more,
    }
    write_json(folder / ORIGIN, record)


def count_parameters(path: str | os.PathLike[str]) -> int:
    """Return the number of weights in a safetensors file, from its header alone."""
    from math import prod

    from safetensors import safe_open

    with safe_open(path, framework="np") as handle:
        return sum(prod(handle.get_slice(name).get_shape()) for name in handle.keys())  # noqa: SIM118


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
