"""Adam as torch has it, without loading torch's compiler for its first step."""

from __future__ import annotations

import inspect
from typing import Any

import torch

#: The step below torch's wrappers, the outermost of which imports torch._dynamo (and sympy with
#: it, a second in all) to tell the compiler to leave it alone.
_STEP = inspect.unwrap(torch.optim.Adam.step)


class Adam(torch.optim.Adam):
    """The same numbers bit for bit (Kingma and Ba 2015); its state is torch's own."""

    def step(self, closure: Any = None) -> Any:
        """Update the parameters, without gradients, as torch's wrapper has it."""
        with torch.no_grad():
            return _STEP(self, closure)
