"""WavLM (Chen et al. 2022): HuBERT with gated relative positions, trained on noisy speech."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from after_ser.model.families.conv_encoder import ConvBody, ConvEncoder

if TYPE_CHECKING:
    from torch import Tensor


class WavLMBody(ConvBody):
    """transformers' modules; the first layer makes a position bias that the others are handed."""

    def last(self, projected: Tensor, valid: Tensor | None) -> Tensor:
        """Return [B, T, H]."""
        with warnings.catch_warnings():
            # of torch, about the types of the two masks that transformers gives it
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
            return super().last(projected, valid)


class WavLM(ConvEncoder):
    """The family."""

    model_type = "wavlm"
    title = "WavLM"
    model_class = "WavLMModel"
    classifier_class = "WavLMForSequenceClassification"
    body_class = WavLMBody
    licences = {
        "microsoft/wavlm-base-plus": "named differently by different sources; read its model card"
    }
