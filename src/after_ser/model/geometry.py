"""How many frames the CNN makes of how many samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Geometry:
    """Kernel widths and strides of the feature encoder's layers, first layer first."""

    kernels: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def of(cls, config: Any) -> Geometry:
        """Read the geometry of a model's config with `conv_kernel` and `conv_stride`."""
        return cls(tuple(config.conv_kernel), tuple(config.conv_stride))

    @property
    def stride(self) -> int:
        """Samples from one frame to the next (320 = 20 ms in wav2vec2-base)."""
        product = 1
        for stride in self.strides:
            product *= stride
        return product

    @property
    def frames_per_second(self) -> float:
        """Frames of a second of audio."""
        return SAMPLE_RATE / self.stride

    @property
    def receptive_field(self) -> int:
        """Samples that one frame sees (400 = 25 ms in wav2vec2-base): the shortest usable clip."""
        field, jump = 1, 1
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            field += (kernel - 1) * jump
            jump *= stride
        return field

    def frames(self, samples: int) -> int:
        """Return the number of frames of a clip; shorter ones than the receptive field give 1.

        Such clips are padded with zeros to the receptive field before they enter the CNN.
        """
        samples = max(samples, self.receptive_field)
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples
