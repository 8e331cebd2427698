"""Names of objectives; importing this imports no torch, so that a config can be checked quickly.

A new objective is one file with a subclass of `Objective` and one line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from after_ser.core.errors import InputError

if TYPE_CHECKING:
    from after_ser.learn.tapt.objectives.base import Objective
    from after_ser.model.families.base import Family, Pretraining


@dataclass(frozen=True)
class Known:
    """Where an objective is (module:class), and whether it has seen emotion labels of train.

    One that `uses_labels` is no self-supervised one: only arms that may read all labels of train
    can start from it, and it is never added to another. One that `reads_codes` is for backbones
    with a quantiser.
    """

    where: str
    uses_labels: bool = False
    reads_codes: bool = True


#: Names may be joined by "+" (Eq. 3 is "eq1+eq2").
OBJECTIVES = {
    "eq1": Known("after_ser.learn.tapt.objectives.contrastive:Contrastive"),
    "eq2": Known("after_ser.learn.tapt.objectives.reconstruction:Reconstruction"),
    "wav2vec2": Known("after_ser.learn.tapt.objectives.wav2vec2:Wav2Vec2Own"),
    "p-tapt": Known(
        "after_ser.learn.tapt.objectives.pseudo_labels:PseudoLabelPrediction",
        uses_labels=True,
        reads_codes=False,
    ),
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
    alone = [part for part in parts if OBJECTIVES[part].uses_labels]
    if alone and len(parts) > 1:
        raise InputError(
            f"pre-training: objective {name!r}; expected {alone[0]} by itself, since it trains "
            "other parts of the model"
        )
    return parts


def uses_labels(name: str) -> bool:
    """Tell whether the objective has seen emotion labels of the train split."""
    return any(OBJECTIVES[part].uses_labels for part in check_objective(name))


def expect_possible(name: str, family: Family) -> None:
    """Raise InputError for an objective that no backbone of this family can be trained on."""
    if not family.has_mask_embedding:
        raise InputError(
            f"pre-training: a {family.model_type} backbone has no mask embedding, so no objective "
            "is possible; expected the start pretrained"
        )
    reading = [part for part in check_objective(name) if OBJECTIVES[part].reads_codes]
    if reading and not family.has_quantiser:
        raise InputError(
            f"pre-training: objective {reading[0]!r} reads a quantiser's codes, and a "
            f"{family.model_type} backbone has no quantiser; expected an objective without codes"
        )


def build_objective(
    name: str,
    model: Pretraining,
    seed: int,
    temperature: float = 0.1,
    sizes: Sequence[int] = (),
) -> Objective:
    """Return the objective `name` for `model`.

    `seed` fixes its own weights, `temperature` is kappa of Eq. 1, `sizes` are the numbers of
    pseudo-labels of one that predicts them. Raises InputError where the model's family has not
    what the objective needs.
    """
    import torch

    from after_ser.learn.tapt.objectives.base import Sum

    expect_possible(name, model.body.family)
    parts: list[Objective] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in check_objective(name):
            module, name_of_class = OBJECTIVES[part].where.split(":")
            kind = getattr(import_module(module), name_of_class)
            given = (sizes,) if OBJECTIVES[part].uses_labels else (temperature,)
            parts.append(kind(model, *given))
    return parts[0] if len(parts) == 1 else Sum(parts)
