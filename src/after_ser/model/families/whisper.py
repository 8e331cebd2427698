"""Whisper (Radford et al. 2022), its encoder: log-mel, two convolutions, windows of 30 s.

A clip keeps its own length. A longer one than the positions reach goes in windows, each with its
own positions and attention; their frames are joined.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from after_ser.core.errors import InputError
from after_ser.model.families.base import Body, Stem
from after_ser.model.families.speech_to_text import SpeechToText, pre_norm_layers
from after_ser.model.geometry import SAMPLE_RATE, Geometry
from after_ser.model.load import PREPROCESSOR, Folder, read_json
from after_ser.model.registry import read_config
from after_ser.model.shape import Shape

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Samples of a spectrum and between two, kernels of the convolutions over them.
_FFT, _HOP = 400, 160
_FRAME = 2 * _HOP


@dataclass(frozen=True)
class PaddedGeometry(Geometry):
    """Frames that see beyond their own samples: a clip's edges are mirrored and padded."""

    def frames(self, samples: int) -> int:
        """Return one per 20 ms, 1 at least."""
        return max(1, samples // _FRAME)


_GEOMETRY = PaddedGeometry((_FFT, 3, 3), (_HOP, 1, 2))


def _shape(hidden: int, layers: int, mels: int = 80) -> Shape:
    kernels, strides = _GEOMETRY.kernels, _GEOMETRY.strides
    return Shape((mels, hidden, hidden), kernels, strides, hidden, layers, 4 * hidden)


class WhisperStem(Stem):
    """Log-mel spectrum and convolutions, a window at a time."""

    geometry = _GEOMETRY

    def __init__(self, encoder: Any, folder: Folder, device: torch.device) -> None:
        """Take transformers' encoder and, of the folder, its feature extractor."""
        from transformers import WhisperFeatureExtractor

        self._encoder, self._device = encoder.to(device), device
        self._mel = WhisperFeatureExtractor(**read_json(Path(folder) / PREPROCESSOR))
        self._window = encoder.config.max_source_positions * _FRAME
        self.width = int(encoder.config.d_model)

    def prepare(self, waveform: np.ndarray) -> np.ndarray:
        """Return samples [n] float32: whole frames, one at least."""
        count = self.geometry.frames(len(waveform)) * _FRAME
        return np.pad(waveform[:count], (0, max(0, count - len(waveform))))

    def encode(self, prepared: np.ndarray) -> np.ndarray:
        """Return the latents [T, D], without positions."""
        import torch
        from torch.nn import functional

        own, parts = self._encoder, []
        for first in range(0, len(prepared), self._window):
            mel = self._mel(
                prepared[first : first + self._window],
                sampling_rate=SAMPLE_RATE, padding="do_not_pad", return_tensors="pt",
            ).input_features  # fmt: skip
            with torch.inference_mode():
                hidden = functional.gelu(own.conv1(mel.to(self._device)))
                parts.append(functional.gelu(own.conv2(hidden))[0].T)
        found: np.ndarray = torch.cat(parts).float().cpu().numpy()
        return found


class WhisperBody(Body):
    """transformers' layers; every window has its own positions, which are the projection."""

    def project(self, latents: Tensor) -> Tensor:
        """Return the latents with the position of every frame in its window, [B, T, H]."""
        import torch

        place = torch.arange(latents.shape[1], device=latents.device) % self._window
        positions: Tensor = self.projection(place)
        return latents + positions

    @property
    def _window(self) -> int:
        return int(self.described.get("max_source_positions", 1500))

    def layers(self, projected: Tensor, valid: Tensor | None) -> list[Tensor]:
        """Return the hidden states of all layers."""
        from torch.nn import functional

        dropout = float(self.described.get("dropout", 0.0))
        hidden = functional.dropout(projected, dropout, self.transformer.training)
        return pre_norm_layers(self.transformer, hidden, valid, self._window)


class Whisper(SpeechToText):
    """The family."""

    model_type = "whisper"
    title = "Whisper"
    encoder_class = "WhisperEncoder"
    sizes = {
        "tiny": _shape(384, 4),
        "base": _shape(512, 6),
        "small": _shape(768, 12),
        "medium": _shape(1024, 24),
        "large-v3": _shape(1280, 32, mels=128),
        "large": _shape(1280, 32),
    }
    usual = "base"
    licences = {"openai/whisper-base": "MIT, says its authors' code repository"}

    def architecture(self, backbone: Mapping[str, Any]) -> dict[str, Any]:
        """Return one of the size of `shape`."""
        shape = self.shape(backbone)
        return {
            "model_type": self.model_type,
            "num_mel_bins": shape.conv_dim[0],
            "d_model": shape.hidden,
            "encoder_layers": shape.layers,
            "encoder_attention_heads": shape.hidden // 64,
            "encoder_ffn_dim": shape.intermediate,
        }

    def preprocessor(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """Return that of the published models."""
        return {
            "feature_extractor_type": "WhisperFeatureExtractor",
            "feature_size": described["num_mel_bins"],
            "sampling_rate": SAMPLE_RATE,
            "hop_length": _HOP,
            "n_fft": _FFT,
            "chunk_length": 30,
            "padding_value": 0.0,
            "return_attention_mask": False,
        }

    def check(self, folder: Folder) -> None:
        """Raise InputError for another spectrum than the encoder and its frames are made for."""
        given = read_json(Path(folder) / PREPROCESSOR)
        mels = read_config(folder).get("num_mel_bins", 80)
        wanted = {
            "feature_size": mels, "sampling_rate": SAMPLE_RATE, "hop_length": _HOP, "n_fft": _FFT,
        }  # fmt: skip
        for key, value in wanted.items():
            if given.get(key, 80 if key == "feature_size" else value) != value:
                raise InputError(
                    f"backbone: {Path(folder) / PREPROCESSOR} has {key} {given[key]}; "
                    f"expected {value}"
                )

    def stem(self, folder: Folder, device: torch.device) -> Stem:
        """Load spectrum and convolutions."""
        return WhisperStem(self.load_encoder(folder), folder, device)

    def body_around(self, encoder: Any, described: dict[str, Any]) -> Body:
        """Return positions, layers and last norm."""
        from torch import nn

        if encoder.config.encoder_layerdrop:
            raise InputError(
                f"backbone: this {self.title} drops layers (encoder_layerdrop); expected 0"
            )
        parts = {name: getattr(encoder, name) for name in ("layers", "layer_norm")}
        return WhisperBody(
            family=self,
            described=described,
            geometry=_GEOMETRY,
            width=encoder.config.d_model,
            projection=encoder.embed_positions,
            transformer=nn.ModuleDict(parts).eval(),
        )
