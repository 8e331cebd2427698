"""Adam as torch has it, without loading torch's compiler for its first step."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import torch

#: The step below torch's wrappers, the outermost of which imports torch._dynamo (and sympy with
#: it, a second in all) to tell the compiler to leave it alone.
_STEP = inspect.unwrap(torch.optim.Adam.step)


class Adam(torch.optim.Adam):
    """Kingma and Ba (2015) by torch's fused kernel, bit for bit; its state is torch's own.

    The kernel reads and writes every weight once for a step; torch's default on a CPU does so once
    for each of ten operations and takes three times as long with wav2vec2-base.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float) -> None:
        """`lr` is the learning rate; the other settings are Adam's defaults."""
        super().__init__(parameters, lr=lr, fused=True)

    def step(self, closure: Any = None) -> Any:
        """Update the parameters, without gradients, as torch's wrapper has it."""
        with torch.no_grad():
            return _STEP(self, closure)
