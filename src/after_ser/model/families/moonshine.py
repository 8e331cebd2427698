"""Moonshine (Jeffries et al. 2024), its encoder: three convolutions, rotary positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from after_ser.model.families.base import Body, Stem
from after_ser.model.families.conv_encoder import normalise, preprocessor, wants_normalised
from after_ser.model.families.speech_to_text import SpeechToText, pre_norm_layers
from after_ser.model.geometry import Geometry
from after_ser.model.load import Folder
from after_ser.model.shape import Shape

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Every size has these: 384 samples a frame, of which each sees 895.
_KERNELS, _STRIDES = (127, 7, 3), (64, 3, 2)
_GEOMETRY = Geometry(_KERNELS, _STRIDES)


def _shape(hidden: int, layers: int) -> Shape:
    widths = (hidden, 2 * hidden, hidden)
    return Shape(widths, _KERNELS, _STRIDES, hidden, layers, intermediate=4 * hidden)


class MoonshineStem(Stem):
    """The convolutions with their norm, which runs over time: padding would change every frame."""

    geometry = _GEOMETRY

    def __init__(self, encoder: Any, scale: bool, device: torch.device) -> None:
        """Take transformers' encoder; `scale`: samples are normalised first."""
        self._encoder, self._scale, self._device = encoder.to(device), scale, device
        self.width = int(encoder.config.hidden_size)

    def prepare(self, waveform: np.ndarray) -> np.ndarray:
        """Return samples [n] float32, scaled and padded where they must be."""
        if self._scale:
            waveform = normalise(waveform)
        missing = self.geometry.receptive_field - len(waveform)
        return np.pad(waveform, (0, missing)) if missing > 0 else waveform

    def encode(self, prepared: np.ndarray) -> np.ndarray:
        """Return the latents [T, D]."""
        import torch
        from torch.nn import functional

        own = self._encoder
        with torch.inference_mode():
            samples = torch.from_numpy(prepared)[None, None].to(self._device)
            hidden = own.groupnorm(torch.tanh(own.conv1(samples)))
            hidden = functional.gelu(own.conv3(functional.gelu(own.conv2(hidden))))
            found: np.ndarray = hidden[0].T.float().cpu().numpy()
        return found


class MoonshineBody(Body):
    """transformers' layers with the rotary positions that they are given."""

    def layers(self, projected: Tensor, valid: Tensor | None) -> list[Tensor]:
        """Return the hidden states of all layers."""
        import torch

        transformer: Any = self.transformer
        place = torch.arange(projected.shape[1], device=projected.device)[None]
        turned = transformer["rotary_emb"](projected, position_ids=place)
        return pre_norm_layers(transformer, projected, valid, position_embeddings=turned)


class Moonshine(SpeechToText):
    """The family."""

    model_type = "moonshine"
    title = "Moonshine"
    encoder_class = "MoonshineEncoder"
    sizes = {"base": _shape(416, 8), "tiny": _shape(288, 6)}
    usual = "tiny"
    licences = {"UsefulSensors/moonshine-tiny": "MIT, says its model card on the Hugging Face hub"}

    def architecture(self, backbone: Mapping[str, Any]) -> dict[str, Any]:
        """Return one of the size of `shape`."""
        shape = self.shape(backbone)
        return {
            "model_type": self.model_type,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.intermediate,
            "encoder_num_hidden_layers": shape.layers,
            "encoder_num_attention_heads": 8,
        }

    def preprocessor(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """Return that of the published models: samples as they are."""
        return preprocessor(do_normalize=False, feat_extract_norm="group")

    def check(self, folder: Folder) -> None:
        """Raise InputError for a preprocessor of another sampling rate."""
        wants_normalised(folder)

    def stem(self, folder: Folder, device: torch.device) -> Stem:
        """Load the convolutions."""
        return MoonshineStem(self.load_encoder(folder), wants_normalised(folder), device)

    def empty(self, described: dict[str, Any], where: str) -> Any:
        """Return the encoder; its positions are in no file, so they are made at once."""
        encoder = super().empty(described, where)
        encoder.rotary_emb = type(encoder.rotary_emb)(config=encoder.config)
        return encoder

    def body_around(self, encoder: Any, described: dict[str, Any]) -> Body:
        """Return layers, last norm and positions."""
        from torch import nn

        parts = {name: getattr(encoder, name) for name in ("layers", "layer_norm", "rotary_emb")}
        return MoonshineBody(
            family=self,
            described=described,
            geometry=_GEOMETRY,
            width=encoder.config.hidden_size,
            projection=nn.Identity(),
            transformer=nn.ModuleDict(parts).eval(),
        )
