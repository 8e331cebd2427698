"""Reading model weights from others without running any code that a file may contain."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from after_ser.core.errors import InputError


def read_weights(path: str | os.PathLike[str], what: str, safe: Sequence[type] = ()) -> Any:
    """Return what torch saved in `path`, on the CPU, if it is plain weights and nothing else.

    `safe` are further types that it may hold. Raises FileNotFoundError where there is no file, and
    InputError with one line, beginning with `what`, for a file that holds code or is damaged.
    """
    from pickle import UnpicklingError  # noqa: TID251  the name of an error

    import torch

    try:
        with torch.serialization.safe_globals(list(safe)):
            return torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
    except FileNotFoundError:
        raise
    except UnpicklingError:
        raise InputError(
            f"{what}: cannot read {path} as plain weights: it is damaged or holds code, which is "
            "never run; expected tensors, best as safetensors"
        ) from None
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{what}: cannot read {path} as plain weights: {reason}") from None
