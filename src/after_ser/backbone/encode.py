"""The frozen CNN of a checkpoint, applied to one clip at a time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from after_ser.backbone.geometry import Geometry
from after_ser.backbone.load import load_encoder, normalise, wants_normalised

if TYPE_CHECKING:
    import torch


class ClipEncoder:
    """Samples to latents, exactly as they are computed for training: alone and unpadded.

    With group norm over time (wav2vec2-base) padding would change every frame, so that a clip's
    latents would depend on its batch.
    """

    def __init__(self, folder: str | os.PathLike[str], device: torch.device) -> None:
        """Load the CNN of the checkpoint `folder` onto `device`."""
        encoder = load_encoder(folder)
        self._cnn = encoder.feature_extractor.to(device)
        self._device = device
        self._scale = wants_normalised(folder)
        self.geometry = Geometry.of(encoder.config)
        self.dimension = int(encoder.config.conv_dim[-1])

    def prepare(self, waveform: np.ndarray) -> np.ndarray:
        """Return the CNN's input: samples [T] float32, scaled and padded where they must be."""
        if self._scale:
            waveform = normalise(waveform)
        missing = self.geometry.receptive_field - len(waveform)
        return np.pad(waveform, (0, missing)) if missing > 0 else waveform

    def encode(self, prepared: np.ndarray) -> np.ndarray:
        """Return the latents [T', D], float32, of what `prepare` returned."""
        import torch

        from after_ser.backbone.cnn import latents_of

        with torch.inference_mode():
            batch = torch.from_numpy(prepared)[None].to(self._device)
            latents: np.ndarray = latents_of(self._cnn, batch)[0].float().cpu().numpy()
        return latents
