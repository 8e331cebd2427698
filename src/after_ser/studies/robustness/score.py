"""A trained model's scores on its test clips, clean and degraded in several ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from after_ser.core.errors import InputError
from after_ser.core.metrics import score
from after_ser.data.audio.mix import Waveform
from after_ser.learn.finetune.batches import Clips
from after_ser.learn.finetune.predict import predict
from after_ser.model.classifier import Classifier
from after_ser.model.families.base import Stem
from after_ser.model.waveform import read_samples, to_float
from after_ser.studies.robustness.perturb import perturb

CLEAN = "clean"
COLUMNS = ["condition", "level", "ua", "wa", "macro_f1", "n"]
#: How far a probability may be from the recorded one: another GPU rounds differently.
TOLERANCE = 1e-3


class ClipFiles(Sequence[Waveform]):
    """Prepared clips [T] float32 by position, read when they are asked for."""

    def __init__(self, paths: Sequence[str | Path]) -> None:
        """`paths` of 16 kHz mono files."""
        self._paths = list(paths)
        self._read = lru_cache(maxsize=256)(lambda index: to_float(read_samples(paths[index])))

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._paths)

    def __getitem__(self, index: Any) -> Any:
        """Return one clip; it must not be written to."""
        return self._read(int(index))


def robustness(
    *,
    model: Classifier,
    stem: Stem,
    test: Sequence[str],
    truth: Mapping[str, str],
    paths: Mapping[str, str],
    others: Sequence[Waveform],
    conditions: Mapping[str, Sequence[float]],
    recorded: pd.DataFrame,
    recorded_ua: float,
    device: torch.device,
    precision: str = "float16",
) -> pd.DataFrame:
    """Return COLUMNS: the scores (0..1) of the clean test clips and of every condition and level.

    test, truth, paths: the fold's test clips in the order of the fit, their labels, their files.
    others:      what babble is made of, the fold's train clips.
    conditions:  kind of perturbation to its levels.
    recorded, recorded_ua: predictions.tsv (utt, p_<class> as floats) and the test UA of
                 metrics.json, which the clean clips must give again.
    precision:   what the run's latents are rounded to; these are, too.
    Raises RuntimeError where the clean scores are not the recorded ones, because then nothing else
    here could be trusted.
    """
    model = model.to(device)
    columns = [f"p_{name}" for name in model.classes]
    labels = [truth[utt] for utt in test]

    def scores(waveforms: Any) -> tuple[np.ndarray, dict[str, Any]]:
        clips = zip(test, waveforms, strict=True)
        frames = [_latents(stem, utt, one, precision) for utt, one in clips]
        probs = predict(model, Clips(list(test), frames), device)
        return probs, score(labels, probs, model.classes)

    clips = ClipFiles([paths[utt] for utt in test])
    probs, found = scores(clips)
    expected = recorded.set_index("utt").loc[list(test), columns].to_numpy(dtype=float)
    _check_clean(probs, expected, found["ua"], recorded_ua, device)
    rows = [_row(CLEAN, "", found)]
    for kind, levels in conditions.items():
        for level in levels:
            changed = (
                perturb(kind, clip, level, utt, others)
                for utt, clip in zip(test, clips, strict=True)
            )
            rows.append(_row(kind, f"{level:g}", scores(changed)[1]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _latents(stem: Stem, utt: str, waveform: Waveform, precision: str) -> np.ndarray:
    latents: np.ndarray = stem.encode(stem.prepare(waveform)).astype(precision)
    if not np.isfinite(latents).all():
        raise InputError(f"robustness: the latents of {utt} are not finite in {precision}")
    return latents


def _check_clean(
    probs: np.ndarray, expected: np.ndarray, ua: float, recorded_ua: float, device: torch.device
) -> None:
    """Raise RuntimeError unless the clean clips give what the fit recorded.

    On the CPU to the last digit of UA; on a GPU a clip that is a tie up to TOLERANCE may flip.
    """
    apart = float(np.abs(probs - expected).max())
    if apart > TOLERANCE or (device.type == "cpu" and abs(ua - recorded_ua) > 1e-9):
        raise RuntimeError(
            f"the clean test clips give UA {ua:.6f} and probabilities up to {apart:.2g} from the "
            f"recorded ones; metrics.json has UA {recorded_ua:.6f}"
        )


def _row(condition: str, level: str, found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "condition": condition,
        "level": level,
        **{name: found[name] for name in ("ua", "wa", "macro_f1", "n")},
    }
