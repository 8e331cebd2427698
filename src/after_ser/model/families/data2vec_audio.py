"""data2vec (Baevski et al. 2022) for speech: positions by a stack of convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from after_ser.model.families.conv_encoder import ConvBody, ConvEncoder

if TYPE_CHECKING:
    from torch import Tensor


class Data2VecBody(ConvBody):
    """transformers' modules, where padding stays zero before each of the stacked convolutions.

    Their biases and norms fill it, the next one would read it, and a clip would depend on its
    batch; transformers has it so.
    """

    def last(self, projected: Tensor, valid: Tensor | None) -> Tensor:
        """Return [B, T, H]."""
        if valid is None:
            return super().last(projected, valid)
        padding = ~valid[:, None]

        def blank(_module: Any, given: tuple[Tensor]) -> tuple[Tensor]:
            return (given[0].masked_fill(padding, 0.0),)

        convolutions = self.transformer.pos_conv_embed.layers  # type: ignore[union-attr]
        hooks = [layer.register_forward_pre_hook(blank) for layer in convolutions]  # type: ignore[union-attr]
        try:
            return super().last(projected, valid)
        finally:
            for hook in hooks:
                hook.remove()


class Data2VecAudio(ConvEncoder):
    """The family."""

    model_type = "data2vec-audio"
    title = "data2vec"
    model_class = "Data2VecAudioModel"
    classifier_class = "Data2VecAudioForSequenceClassification"
    body_class = Data2VecBody
