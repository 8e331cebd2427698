"""Adding noise to a clip at a given signal-to-noise ratio."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]
SAMPLE_RATE = 16_000


def power(waveform: npt.NDArray[np.floating]) -> float:
    """Return the mean square of the samples [T]; 0 for no samples."""
    return float(np.mean(np.square(waveform, dtype=np.float64))) if len(waveform) else 0.0


def add_at_snr(waveform: Waveform, noise: npt.NDArray[np.floating], snr_db: float) -> Waveform:
    """Return the clip [T] with `noise` [T] scaled to `snr_db`, both powers over the whole clip.

    Pauses count, as in the usual noisy versions of speech corpora. The sum is not clipped at full
    scale, which would be a distortion of its own. Silence, of clip or noise, has no ratio: the
    clip comes back as it is.
    """
    signal, other = power(waveform), power(noise)
    if signal == 0 or other == 0:
        return waveform.copy()
    gain = np.sqrt(signal / (other * 10 ** (snr_db / 10)))
    return (waveform + gain * noise).astype(np.float32)
