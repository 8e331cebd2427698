"""Low-bit-rate coding with Opus."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from after_ser.core.errors import InputError
from after_ser.data.audio.mix import SAMPLE_RATE, Waveform

# libsndfile maps its compression level 0 to 1 on 256 to 6 kbit/s per channel.
HIGHEST_KBPS, LOWEST_KBPS = 256.0, 6.0


def coding(
    waveform: Waveform, level: float, rng: np.random.Generator, others: Sequence[Waveform] = ()
) -> Waveform:
    """Return the clip [T] after Opus at about `level` kbit/s (variable bit rate) and back.

    Opus keeps a clip's length and place in time; libsndfile's MP3 does not at low constant rates,
    and its Vorbis ends at 32 kbit/s for speech of this rate. Samples beyond full scale are
    clipped, as an encoder's 16-bit input would be. Raises InputError where libsndfile was built
    without Opus.
    """
    import soundfile

    if "OPUS" not in soundfile.available_subtypes("OGG"):
        raise InputError(
            f"perturbation coding: libsndfile {soundfile.__libsndfile_version__} has no Opus; "
            "expected 1.0.29 or later built with it"
        )
    share = (HIGHEST_KBPS - level) / (HIGHEST_KBPS - LOWEST_KBPS)
    coded = io.BytesIO()
    soundfile.write(
        coded,
        np.clip(waveform, -1, 1),
        SAMPLE_RATE,
        format="OGG",
        subtype="OPUS",
        compression_level=min(max(share, 0.0), 1.0),
    )
    coded.seek(0)
    decoded, rate = soundfile.read(coded, dtype="float32")
    if rate != SAMPLE_RATE or len(decoded) != len(waveform):
        raise ValueError(f"Opus made {len(decoded)} samples at {rate} Hz of {len(waveform)}")
    coded_waveform: Waveform = decoded
    return coded_waveform
