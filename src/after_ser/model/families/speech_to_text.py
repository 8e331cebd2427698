"""Families that are the encoder of a speech-to-text model: Moonshine and Whisper.

Convolutions, then pre-norm layers and a last norm; the decoder is not read. They know no mask
embedding, so no objective of TAPT is possible, and transformers has no class for them that scores
an utterance as it is done here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from after_ser.core.errors import InputError
from after_ser.model.families.base import Body, Family, Pretraining
from after_ser.model.load import (
    CONFIG,
    PREPROCESSOR,
    WEIGHTS,
    Folder,
    expect_complete,
    expect_weights,
    quiet_transformers,
    read_json,
)
from after_ser.model.registry import read_config
from after_ser.model.save import save_tensors
from after_ser.model.shape import Shape
from after_ser.run.atomic import read_tensors, write_json

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Of a whole model, of one without the head, and of the encoder alone.
_PREFIXES = ("model.encoder.", "encoder.", "")


class SpeechToText(Family):
    """What these families share."""

    has_mask_embedding = False
    encoder_class: ClassVar[str]  # transformers' class that is the encoder
    #: What a model's name may say of its size; the first part that it has counts, else `usual`.
    sizes: ClassVar[Mapping[str, Shape]]
    usual: ClassVar[str]

    @abstractmethod
    def body_around(self, encoder: Any, described: dict[str, Any]) -> Body:
        """Return the body of an encoder, with which it shares modules."""

    @abstractmethod
    def preprocessor(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """Return preprocessor_config.json of a model that is made here."""

    def shape(self, backbone: Mapping[str, Any]) -> Shape:
        """Return the published size that its name tells."""
        name = str(backbone.get("hub", backbone.get("folder", ""))).lower()
        return self.sizes[next((part for part in self.sizes if part in name), self.usual)]

    def build(self, architecture: Mapping[str, Any], seed: int) -> Pretraining:
        """Return the encoder with random weights; `architecture` has fields of its config."""
        import torch

        kind = self._kind()
        fields = {key: value for key, value in architecture.items() if key != "model_type"}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = kind(kind.config_class(**fields)).eval()
        return Unmasked(self, encoder)

    def body(self, folder: Path, fast: bool = True) -> Body:
        """Load the transformer."""
        return self.body_around(self.load_encoder(folder), read_config(folder))

    def body_of(self, described: dict[str, Any], where: str, fast: bool = True) -> Body:
        """Build the transformer."""
        return self.body_around(self.empty(described, where), described)

    def pretraining(self, folder: Folder) -> Pretraining:
        """Raise InputError, since there is no mask embedding."""
        raise InputError(
            f"pre-training: {folder} is a {self.model_type} backbone, which has no mask embedding; "
            "expected one of another family"
        )

    def save(self, start: Path, body: Body, folder: Path) -> None:
        """Write the encoder of `start` with the transformer of `body`."""
        encoder = self.load_encoder(start)
        state = encoder.state_dict() | body.transformer.state_dict()
        self.write(state, read_config(start), read_json(Path(start) / PREPROCESSOR), folder)

    def write(
        self,
        state: dict[str, Tensor],
        described: Mapping[str, Any],
        preprocessor: Mapping[str, Any],
        folder: Folder,
    ) -> None:
        """Write a checkpoint folder of the encoder alone."""
        alone = {"architectures": [self.encoder_class], "dtype": "float32"}
        write_json(Path(folder) / CONFIG, {**described, **alone})
        write_json(Path(folder) / PREPROCESSOR, preprocessor)
        save_tensors(Path(folder) / WEIGHTS, state)

    def load_encoder(self, folder: Folder) -> Any:
        """Return the encoder, float32, in evaluation mode.

        Raises InputError where any of its weights is missing or has another shape.
        """
        encoder = self.empty(read_config(folder), str(folder))
        path = expect_weights(Path(folder))
        tensors, names = read_tensors(path), encoder.state_dict().keys()
        prefix = next((one for one in _PREFIXES if f"{one}conv1.weight" in tensors), "")
        expect_complete(path, _missing(names, tensors, prefix), self.encoder_class)
        state = {name: tensors[prefix + name].float().clone() for name in names}
        try:
            encoder.load_state_dict(state, assign=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"backbone: cannot load {path}: {reason}") from None
        return encoder

    def _kind(self) -> Any:
        import transformers.models as models

        module = getattr(models, self.model_type)
        return getattr(getattr(module, f"modeling_{self.model_type}"), self.encoder_class)

    def empty(self, described: dict[str, Any], where: str) -> Any:
        """Return the encoder, its weights still to be assigned."""
        import torch
        from huggingface_hub.errors import StrictDataclassError

        kind = self._kind()
        try:
            with quiet_transformers(), torch.device("meta"):  # nothing is drawn
                config = kind.config_class.from_dict(described)
                config._attn_implementation = "sdpa"  # masks of True and False
                encoder = kind(config)
        except (TypeError, ValueError, StrictDataclassError) as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"backbone: {where} describes no {self.title}: {reason}") from None
        return encoder.eval()


class Unmasked(Pretraining):
    """An encoder with random weights that can be saved, and not be trained on masked frames."""

    def __init__(self, family: SpeechToText, encoder: Any) -> None:
        """Take transformers' encoder."""
        self._family, self.module, self.front = family, encoder, encoder
        self._described = encoder.config.to_dict()
        self.body = family.body_around(encoder, self._described)

    def prepare(self, waveform: np.ndarray) -> np.ndarray:
        """Return the samples."""
        return waveform

    def latents(self, samples: Tensor) -> Tensor:
        """Raise InputError."""
        raise InputError(f"pre-training: {self._family.title} has no mask embedding")

    def save(self, folder: Folder) -> None:
        """Write the checkpoint folder."""
        preprocessor = self._family.preprocessor(self._described)
        self._family.write(self.module.state_dict(), self._described, preprocessor, folder)


def pre_norm_layers(
    transformer: Any, hidden: Tensor, valid: Tensor | None, window: int = 0, **given: Any
) -> list[Tensor]:
    """Return what leaves each of the layers, the last one normed; the first is `hidden` [B, T, H].

    A frame attends to the valid frames of its window of so many frames (0: of all).
    """
    mask = attended(hidden, valid, window)
    states = [hidden]
    for layer in transformer["layers"]:
        states.append(layer(states[-1], attention_mask=mask, **given))
    return [*states[:-1], transformer["layer_norm"](states[-1])]


def attended(hidden: Tensor, valid: Tensor | None, window: int) -> torch.Tensor | None:
    """Return which frames attend to which, [B, 1, T, T] or broadcast to it; None for all to all."""
    import torch

    frames = hidden.shape[1]
    if not 0 < window < frames:
        return None if valid is None else valid[:, None, None]
    place = torch.arange(frames, device=hidden.device)
    together = (place[:, None] // window == place // window)[None, None]
    if valid is not None:
        # padding attends to itself, so that nothing is a mean of nothing
        together = together & (valid[:, None, None] | (place[:, None] == place))
    return together


def _missing(names: Iterable[str], tensors: Mapping[str, Any], prefix: str) -> list[str]:
    return sorted(name for name in names if prefix + name not in tensors)
