"""An exported folder as a scorer of waveforms that does not see how they are batched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from after_ser.backbone.encode import ClipEncoder
from after_ser.backbone.load import CONFIG, WEIGHTS, read_config
from after_ser.backbone.transformer import load_body
from after_ser.errors import InputError
from after_ser.finetune.batches import Clips
from after_ser.finetune.classifier import Classifier
from after_ser.finetune.heads import SEQUENCE_CLASSIFICATION
from after_ser.finetune.predict import predict
from after_ser.runtime.atomic import read_tensors

_KIND = "Wav2Vec2ForSequenceClassification"


class Scorer:
    """Waveforms to probabilities.

    Every waveform is normalised alone and goes through the CNN alone and unpadded; behind it,
    those of similar length are padded to one batch, and no valid frame sees the padding.
    """

    def __init__(self, folder: str | Path, device: torch.device) -> None:
        """Load a folder of `after_ser export`, or any other of that class of transformers.

        Raises InputError with one line for anything else.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise InputError(f"predict: there is no folder {folder}; expected what export writes")
        described = read_config(folder)
        kinds = described.get("architectures") or []
        if _KIND not in kinds or described.get("use_weighted_layer_sum"):
            raise InputError(
                f"predict: {folder / CONFIG} describes {', '.join(map(str, kinds)) or 'no class'}"
                f"{' of weighted layers' * bool(described.get('use_weighted_layer_sum'))}; "
                f"expected a plain {_KIND}, as export writes it"
            )
        body = load_body(folder)
        head = {
            name: value.float()
            for name, value in read_tensors(folder / WEIGHTS).items()
            if name.startswith(("projector.", "classifier."))
        }
        try:
            self.classes = _labels(described, len(head["classifier.weight"]))
            model = Classifier(body, self.classes, SEQUENCE_CLASSIFICATION)
            layers = {"projector": model.projector, "classifier": model.output}
            for prefix, layer in layers.items():
                names = layer.state_dict()
                layer.load_state_dict({name: head[f"{prefix}.{name}"].clone() for name in names})
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"predict: {folder / WEIGHTS} does not fit its config ({reason}); expected the "
                f"weights of a {_KIND}"
            ) from None
        self._model = model.to(device)
        self._encoder = ClipEncoder(folder, device)
        self._device = device

    def score(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Return probabilities [N, C], float64, of waveforms [n] (float32, 16 kHz), in order."""
        frames = [self._encoder.encode(self._encoder.prepare(wave)) for wave in waveforms]
        names = [str(index) for index in range(len(frames))]
        return predict(self._model, Clips(names, frames), self._device)


def _labels(described: dict[str, Any], count: int) -> list[str]:
    names = described.get("id2label") or {}
    return [str(names.get(str(index), f"LABEL_{index}")) for index in range(count)]
