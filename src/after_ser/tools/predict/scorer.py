"""An exported folder as a scorer of waveforms that does not see how they are batched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from after_ser.core.errors import InputError
from after_ser.learn.finetune.batches import Clips
from after_ser.learn.finetune.predict import predict
from after_ser.model.classifier import Classifier
from after_ser.model.heads import SequenceClassification
from after_ser.model.load import CONFIG, WEIGHTS
from after_ser.model.registry import family_of, read_config
from after_ser.run.atomic import read_tensors


class Scorer:
    """Waveforms to probabilities.

    Every waveform is made latents of alone and unpadded; behind that, those of similar length are
    padded to one batch, and no valid frame sees the padding.
    """

    def __init__(self, folder: str | Path, device: torch.device) -> None:
        """Load a folder of `after_ser export`, or any other of its family's class of transformers.

        Raises InputError with one line for anything else.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise InputError(f"predict: there is no folder {folder}; expected what export writes")
        described = read_config(folder)
        family = family_of(folder)
        kinds, expected = described.get("architectures") or [], family.classifier_class
        if expected not in kinds or described.get("use_weighted_layer_sum"):
            raise InputError(
                f"predict: {folder / CONFIG} describes {', '.join(map(str, kinds)) or 'no class'}"
                f"{' of weighted layers' * bool(described.get('use_weighted_layer_sum'))}; "
                f"expected a plain {expected}, as export writes it"
            )
        body = family.body(folder)
        layers = SequenceClassification.exported
        stored = {
            name: value.float()
            for name, value in read_tensors(folder / WEIGHTS).items()
            if name.startswith(tuple(f"{layer}." for layer in layers.values()))
        }
        try:
            self.classes = _labels(described, len(stored[f"{layers['output']}.weight"]))
            model = Classifier(body, self.classes, "sequence-classification")
            for own, theirs in layers.items():
                layer = model.head.get_submodule(own)
                names = layer.state_dict()
                layer.load_state_dict({name: stored[f"{theirs}.{name}"].clone() for name in names})
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"predict: {folder / WEIGHTS} does not fit its config ({reason}); expected the "
                f"weights of a {expected}"
            ) from None
        self._model = model.to(device)
        self._stem = family.stem(folder, device)
        self._device = device

    def score(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Return probabilities [N, C], float64, of waveforms [n] (float32, 16 kHz), in order."""
        frames = [self._stem.encode(self._stem.prepare(wave)) for wave in waveforms]
        names = [str(index) for index in range(len(frames))]
        return predict(self._model, Clips(names, frames), self._device)


def _labels(described: dict[str, Any], count: int) -> list[str]:
    names = described.get("id2label") or {}
    return [str(names.get(str(index), f"LABEL_{index}")) for index in range(count)]
