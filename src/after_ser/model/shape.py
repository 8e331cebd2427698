"""The size of a backbone, as far as the cost of running it depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from after_ser.model.geometry import SAMPLE_RATE


@dataclass(frozen=True)
class Shape:
    """Convolutions over samples, then transformer layers."""

    conv_dim: tuple[int, ...]
    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    hidden: int
    layers: int
    intermediate: int
    latent_bytes: int = 2  # of one number: float16, or 4

    @property
    def frames_per_second(self) -> float:
        """Frames that leave the CNN per second of audio."""
        return SAMPLE_RATE / prod(self.strides)

    @property
    def cnn_flops(self) -> float:
        """Floating-point operations of the CNN per second of audio, forward."""
        rate, width, total = float(SAMPLE_RATE), 1, 0.0
        for dim, kernel, stride in zip(self.conv_dim, self.kernels, self.strides, strict=True):
            rate /= stride
            total += 2 * rate * width * dim * kernel
            width = dim
        return total

    @property
    def transformer_flops(self) -> float:
        """Floating-point operations of the transformer per second of audio, forward.

        Attention's quadratic part is left out: a tenth at 10 s, which the margin covers.
        """
        return 2 * self.frames_per_second * self.transformer_parameters

    @property
    def parameters(self) -> float:
        """Parameters of CNN and transformer, about."""
        widths = (1, *self.conv_dim)
        cnn = sum(
            before * after * kernel
            for before, after, kernel in zip(widths, self.conv_dim, self.kernels, strict=False)
        )
        return cnn + self.transformer_parameters

    @property
    def latents_mb(self) -> float:
        """Megabytes of latents per second of audio."""
        return self.latent_bytes * self.frames_per_second * self.conv_dim[-1] / 1e6

    @property
    def transformer_parameters(self) -> float:
        """Parameters of projection and transformer, biases and positions left out."""
        layer = 4 * self.hidden**2 + 2 * self.hidden * self.intermediate
        return float(self.layers * layer + self.conv_dim[-1] * self.hidden)
