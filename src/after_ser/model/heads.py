"""Classifier heads: hidden states to one embedding per clip, and a linear layer on that.

A new head is one file with a subclass of `Head` and one line of `model.registry.HEADS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class Head(nn.Module, ABC):
    """Hidden states [B, T, H] to logits [B, C]."""

    #: Its layers -> those of transformers' SequenceClassification classes, for a head that gives
    #: the same probabilities as they do; empty for another one, which transformers cannot load.
    exported: ClassVar[Mapping[str, str]] = {}

    def __init__(self, width: int, classes: int, described: Mapping[str, Any]) -> None:
        """Draw the weights anew.

        width: H; classes: C; described: the backbone's config.json. `output` is what strategies
        and calibration take for the last layer: linear, of what `pool` returns.
        """
        super().__init__()
        self.output = nn.Linear(width, classes)

    @abstractmethod
    def pool(self, states: Tensor, valid: Tensor) -> Tensor:
        """Return an embedding per clip, [B, E]; `valid` [B, T] is False at frames of padding."""

    def forward(self, states: Tensor, valid: Tensor) -> Tensor:
        """Return logits [B, C]."""
        logits: Tensor = self.output(self.pool(states, valid))
        return logits


def masked_mean(states: Tensor, valid: Tensor) -> Tensor:
    """Return the mean over a clip's own frames, [B, H]."""
    weights = valid.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


class MeanReluLinear(Head):
    """Mean over time, ReLU, linear: how the paper's "classification layer" is read here."""

    def pool(self, states: Tensor, valid: Tensor) -> Tensor:
        """Return [B, H]."""
        return torch.relu(masked_mean(states, valid))


class ReluMeanLinear(Head):
    """ReLU, mean over time, linear: the order of the released code."""

    def pool(self, states: Tensor, valid: Tensor) -> Tensor:
        """Return [B, H]."""
        return masked_mean(torch.relu(states), valid)


class SequenceClassification(Head):
    """transformers' own: a linear projector on every frame, mean over time, linear.

    Its first weights are drawn as transformers draws them, too.
    """

    exported = {"projector": "projector", "output": "classifier"}

    def __init__(self, width: int, classes: int, described: Mapping[str, Any]) -> None:
        """Draw the weights anew; `classifier_proj_size` of config.json is E, 256 by default."""
        inner = int(described.get("classifier_proj_size", 256))
        projector = nn.Linear(width, inner)
        super().__init__(inner, classes, described)
        self.projector = projector
        for layer in (self.projector, self.output):
            nn.init.normal_(layer.weight, std=described.get("initializer_range", 0.02))
            nn.init.zeros_(layer.bias)

    def pool(self, states: Tensor, valid: Tensor) -> Tensor:
        """Return [B, E]."""
        return masked_mean(self.projector(states), valid)
