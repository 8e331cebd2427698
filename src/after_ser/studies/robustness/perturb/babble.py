"""Babble: several other clips talking at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from after_ser.core.errors import InputError
from after_ser.data.audio.mix import Waveform, add_at_snr, power

#: From about six talkers on, no single one can be followed (Krishnamurthy and Hansen 2009).
TALKERS = 6


def babble(
    waveform: Waveform, level: float, rng: np.random.Generator, others: Sequence[Waveform] = ()
) -> Waveform:
    """Return the clip [T] in babble at an SNR of `level` dB over the whole clip.

    Six of `others`, of equal power, each begun at a random sample and repeated where it is
    shorter than the clip. Raises InputError where there are fewer than six clips.
    """
    if len(others) < TALKERS:
        raise InputError(f"babble: {len(others)} other clips, expected at least {TALKERS}")
    noise = np.zeros(len(waveform))
    for index in rng.choice(len(others), TALKERS, replace=False):
        talker = np.asarray(others[int(index)], np.float64)
        loudness = np.sqrt(power(talker))
        if loudness > 0:
            start = int(rng.integers(len(talker)))
            noise += np.resize(np.roll(talker, -start), len(waveform)) / loudness
    return add_at_snr(waveform, noise, level)
