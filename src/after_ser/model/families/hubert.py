"""HuBERT (Hsu et al. 2021): a CNN as wav2vec 2.0 has, trained on clusters of its own frames."""

from __future__ import annotations

from typing import Any

from after_ser.core.errors import InputError
from after_ser.model.families.base import Body
from after_ser.model.families.conv_encoder import LARGE, XLARGE, ConvEncoder


class Hubert(ConvEncoder):
    """The family."""

    model_type = "hubert"
    title = "HuBERT"
    model_class = "HubertModel"
    classifier_class = "HubertForSequenceClassification"
    sizes = {"xlarge": XLARGE, "large": LARGE}
    licences = {
        "facebook/hubert-base-ls960": "Apache-2.0, says its model card on the Hugging Face hub"
    }

    def body_around(self, encoder: Any, described: dict[str, Any] | None = None) -> Body:
        """Return the body; InputError for a norm over the batch, padding included."""
        if getattr(encoder.config, "conv_pos_batch_norm", False):
            raise InputError(
                "backbone: this HuBERT has a batch norm before its positions "
                "(conv_pos_batch_norm), so that a clip depends on its batch; expected one without"
            )
        return super().body_around(encoder, described)
