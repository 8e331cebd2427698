"""Names of objectives; importing this imports no torch, so that a config can be checked quickly.

A new objective is one file with a subclass of `Objective` and one line here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from after_ser.errors import InputError

if TYPE_CHECKING:
    from transformers import Wav2Vec2Config

    from after_ser.tapt.objectives.base import Objective

#: name -> module and class. Names may be joined by "+" (Eq. 3 is "eq1+eq2").
OBJECTIVES = {
    "eq1": "after_ser.tapt.objectives.contrastive:Contrastive",
    "eq2": "after_ser.tapt.objectives.reconstruction:Reconstruction",
    "wav2vec2": "after_ser.tapt.objectives.wav2vec2:Wav2Vec2Own",
}


def check_objective(name: str) -> list[str]:
    """Return the parts of `name`, e.g. ["eq1", "eq2"]; InputError for an unknown or double one."""
    parts = [part.strip() for part in str(name).split("+")]
    wrong = [part for part in parts if part not in OBJECTIVES]
    if wrong or len(set(parts)) != len(parts):
        raise InputError(
            f"pre-training: objective {name!r}; expected one of {', '.join(OBJECTIVES)} "
            "or several different ones joined by +"
        )
    return parts


def build_objective(
    name: str, config: Wav2Vec2Config, seed: int, temperature: float = 0.1
) -> Objective:
    """Return the objective `name` for a model of `config`.

    `seed` fixes its own weights, `temperature` is kappa of Eq. 1.
    """
    import torch

    from after_ser.tapt.objectives.base import Sum

    parts: list[Objective] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in check_objective(name):
            module, kind = OBJECTIVES[part].split(":")
            parts.append(getattr(import_module(module), kind)(config, temperature))
    return parts[0] if len(parts) == 1 else Sum(parts)
