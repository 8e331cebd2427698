"""What a backbone family must do.

A checkpoint is a folder as transformers writes it. Three things are made of one: the `Stem`, which
turns a clip into latents and is frozen in fine-tuning; the `Body`, which turns latents into hidden
states and is fine-tuned; the `Pretraining`, both of them with masks, for TAPT. Files of families
import torch and transformers within functions: planning asks them for sizes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from after_ser.core.errors import InputError
from after_ser.model.geometry import Geometry
from after_ser.model.load import Folder
from after_ser.model.shape import Shape

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from after_ser.model.heads import Head


class Stem(ABC):
    """Samples to latents, a clip at a time: alone and unpadded, as for training.

    Padding would change a clip's latents where a norm runs over time, so that they would depend on
    the clip's batch.
    """

    geometry: Geometry
    width: int  # D, numbers of a frame

    @abstractmethod
    def prepare(self, waveform: np.ndarray) -> np.ndarray:
        """Return what `encode` takes, float32, of samples [n] in [-1, 1]: scaled, padded."""

    @abstractmethod
    def encode(self, prepared: np.ndarray) -> np.ndarray:
        """Return the latents [T, D], float32; T is what `geometry` says of the samples."""


@dataclass(eq=False)
class Body(ABC):
    """Latents to hidden states.

    `projection` is frozen in fine-tuning (nn.Identity where a family has none), `transformer` is
    trained; a round's model.safetensors has their weights under these names.
    """

    family: Family
    described: dict[str, Any]  # config.json
    geometry: Geometry
    width: int  # H, numbers of a hidden state
    projection: nn.Module
    transformer: nn.Module
    mask_embedding: Tensor | None = None  # [H]; what stands in for a masked frame

    def project(self, latents: Tensor) -> Tensor:
        """Return what the transformer is given, [B, T, H], of latents [B, T, D]."""
        projected: Tensor = self.projection(latents)
        return projected

    @abstractmethod
    def layers(self, projected: Tensor, valid: Tensor | None) -> list[Tensor]:
        """Return the hidden states of all layers, L + 1 times [B, T, H].

        The first is what the first layer is given, the last what heads are given: with the final
        norm of a pre-norm model, which transformers 5 leaves out of the last of `hidden_states`.
        `valid` [B, T] is True where a frame is no padding, None where nothing is padded; no valid
        frame depends on padding. The projected latents may be written to.
        """

    def last(self, projected: Tensor, valid: Tensor | None) -> Tensor:
        """Return the last of `layers`, [B, T, H]."""
        return self.layers(projected, valid)[-1]


class Pretraining(ABC):
    """A model that is trained to predict frames which its transformer does not see."""

    module: nn.Module  # all of its weights
    front: nn.Module  # those that make latents
    body: Body  # shares its modules with `module`; its mask embedding is trained
    #: What has quantizer, project_q, project_hid and dropout_features, as in wav2vec 2.0.
    quantiser: Any = None

    @abstractmethod
    def prepare(self, waveform: np.ndarray) -> np.ndarray:
        """Return samples [n] float32 as `latents` wants them, before any padding."""

    @abstractmethod
    def latents(self, samples: Tensor) -> Tensor:
        """Return latents [B, T, D] of prepared samples [B, n], with gradient."""

    def project(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the transformer is given, [B, T, H], and what the quantiser is."""
        return self.body.project(latents), latents

    def attended(self, valid: Tensor) -> Tensor | None:
        """Return what the transformer is told of padding: `valid` [B, T], or nothing."""
        return valid

    @abstractmethod
    def save(self, folder: Folder) -> None:
        """Write a checkpoint folder that training and fine-tuning can start from."""


class Family(ABC):
    """An architecture of backbones."""

    model_type: ClassVar[str]  # of config.json
    title: ClassVar[str]  # in text
    #: transformers' class with this body and a SequenceClassification head, where there is one.
    classifier_class: ClassVar[str | None] = None
    #: Whether TAPT objectives on a quantiser's codes are possible (Eq. 1 and 2), and any at all.
    has_quantiser: ClassVar[bool] = False
    has_mask_embedding: ClassVar[bool] = True
    #: Hub id -> terms of the weights, as their model card states them.
    licences: ClassVar[Mapping[str, str]] = {}

    def exported_as(self, head: type[Head]) -> str | None:
        """Return the class of transformers that gives a round's probabilities; None without one."""
        return self.classifier_class if head.exported else None

    @abstractmethod
    def shape(self, backbone: Mapping[str, Any]) -> Shape:
        """Return the size of a backbone of the config, as far as the config tells."""

    @abstractmethod
    def architecture(self, backbone: Mapping[str, Any]) -> dict[str, Any]:
        """Return a backbone of the config as `build` takes it: of its size, for measuring speed.

        With its `model_type`, unless that is the default family's.
        """

    @abstractmethod
    def build(self, architecture: Mapping[str, Any], seed: int) -> Pretraining:
        """Return a model with random weights, which `seed` fixes."""

    @abstractmethod
    def check(self, folder: Folder) -> None:
        """Raise InputError where the folder's preprocessor wants what it would not be given."""

    @abstractmethod
    def stem(self, folder: Folder, device: torch.device) -> Stem:
        """Load what makes latents."""

    @abstractmethod
    def body(self, folder: Path, fast: bool = True) -> Body:
        """Load what is fine-tuned, float32, in evaluation mode.

        Without `fast` it is transformers' own modules. Raises InputError for missing weights.
        """

    @abstractmethod
    def body_of(self, described: dict[str, Any], where: str, fast: bool = True) -> Body:
        """Build what a config.json describes, its weights still to be assigned.

        `where` names it in messages.
        """

    @abstractmethod
    def pretraining(self, folder: Folder) -> Pretraining:
        """Load what TAPT trains, float32, in evaluation mode.

        Raises InputError for missing weights, those of a quantiser included where the family has
        one: random ones would be chased unnoticed.
        """

    @abstractmethod
    def save(self, start: Path, body: Body, folder: Path) -> None:
        """Write the checkpoint `start` with the transformer of `body` as a checkpoint folder."""

    def export(
        self,
        start: Path,
        body: Body,
        head: Mapping[str, Tensor],
        settings: Mapping[str, Any],
        folder: Path,
    ) -> None:
        """Write `classifier_class` with the stem of `start`, `body` and `head` as a folder.

        head: its weights under transformers' names; settings: what is added to config.json. Raises
        InputError for a family without such a class.
        """
        raise InputError(f"export: transformers has no classifier on {self.model_type}")
