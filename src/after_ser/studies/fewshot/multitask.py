"""One transformer, one linear head per source corpus."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from after_ser.core.seeding import derive_seed
from after_ser.model.classifier import Classifier
from after_ser.model.families.base import Body

HEAD = "mean-relu-linear"


class MultiTask(nn.Module):
    """Latents [B, T, D] and lengths [B] of one corpus's clips to logits [B, its classes].

    The heads are submodules from the beginning, so an optimiser made of `parameters()` trains
    them. The body is the fine-tuning classifier's: frozen projection, transformer, masked mean,
    ReLU.
    """

    def __init__(self, body: Body, classes: Mapping[str, list[str]], *seed: str | int) -> None:
        """`classes` maps a corpus to its raw classes; `seed` names the heads' first weights."""
        super().__init__()
        self.classes = dict(classes)
        self.body = Classifier(body, ["none"], HEAD)
        self.body.head.output = nn.Identity()  # type: ignore[assignment]
        self.heads = nn.ModuleDict()
        for corpus, names in classes.items():
            torch.manual_seed(derive_seed(*seed, "head", corpus))
            head = nn.Linear(body.width, len(names))
            self.heads[_key(corpus)] = head

    def forward(self, latents: Tensor, lengths: Tensor, corpus: str) -> Tensor:
        """Return the logits of `corpus`'s own head."""
        logits: Tensor = self.heads[_key(corpus)](self.body(latents, lengths))
        return logits

    def loss(self, latents: Tensor, lengths: Tensor, targets: Tensor, corpus: str) -> Tensor:
        """Return the mean cross-entropy over ln(classes): 1 for a head that knows nothing."""
        logits = self(latents, lengths, corpus)
        return cross_entropy(logits, targets) / math.log(len(self.classes[corpus]))


def _key(corpus: str) -> str:
    # ModuleDict refuses names of its own attributes, such as "values"
    return f"head-{corpus}"
