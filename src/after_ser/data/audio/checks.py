"""Which clips cannot be used, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from after_ser.data.audio.read import Clip

# wav2vec 2.0 masks spans of ten 20 ms frames; a shorter clip cannot hold one.
MIN_DURATION_S = 0.3

# -60 dBFS: 33 steps of 16-bit audio, the noise floor of a good recording. The quietest clip of
# EmoDB, RAVDESS and CREMA-D that has speech in it peaks at -44 dBFS.
SILENCE_PEAK = 1e-3

# Float samples beyond +30 dBFS are not clipping but integers stored as floats.
MAX_PEAK = 32.0


def defect(clip: Clip) -> str:
    """Return why `clip` cannot be used, as rejected.tsv says it, or "" where it can.

    Silence is judged around the mean, because a constant offset is not sound.
    """
    if len(clip.samples) == 0:
        return "empty"
    if not np.isfinite(clip.samples).all():
        return "not finite (NaN/inf)"
    peak = float(np.abs(clip.samples).max())
    if peak > MAX_PEAK:
        return f"corrupt: samples reach {peak:.6g}, expected float samples between -1 and 1"
    if float(np.abs(clip.samples - clip.samples.mean(dtype=np.float64)).max()) < SILENCE_PEAK:
        return "silent"
    if clip.duration_s < MIN_DURATION_S:
        return f"shorter than {MIN_DURATION_S} s"
    return ""


def duplicates(clips: Sequence[Mapping[Any, str]]) -> dict[str, str]:
    """Return utt -> reason for every copy of a recording to reject.

    `clips` have utt, sha256 and raw_label, in the order that decides which copy is the first.
    Where the labels of the copies agree, the first is kept. Where they differ, all are rejected,
    since there is no telling which is right. A copy without a label contradicts none, and the first
    one with a label is kept.
    """
    groups: dict[str, list[Mapping[Any, str]]] = {}
    for clip in clips:
        groups.setdefault(clip["sha256"], []).append(clip)
    reasons = {}
    for group in groups.values():
        labelled = [clip for clip in group if clip["raw_label"]]
        if len({clip["raw_label"] for clip in labelled}) > 1:
            for clip in group:
                other = next(c for c in labelled if c["raw_label"] != clip["raw_label"])
                reasons[clip["utt"]] = (
                    f"duplicate of {other['utt']} with another label ({other['raw_label']})"
                )
            continue
        kept = (labelled or group)[0]
        for clip in group:
            if clip is not kept:
                reasons[clip["utt"]] = f"duplicate of {kept['utt']}"
    return reasons
