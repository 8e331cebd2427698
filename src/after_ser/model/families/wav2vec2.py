"""wav2vec 2.0 (Baevski et al. 2020), XLS-R among it: a quantiser for TAPT, and a fast CPU path."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from after_ser.core.errors import InputError
from after_ser.model.families.base import Body, Pretraining
from after_ser.model.families.conv_encoder import (
    LARGE,
    MASK_EMBEDDING,
    ConvEncoder,
    ConvPretraining,
    wants_normalised,
)
from after_ser.model.load import Folder, load_model
from after_ser.model.registry import read_config
from after_ser.model.scratch import build_scratch
from after_ser.model.shape import Shape

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Wav2Vec2ForPreTraining

#: What wav2vec2-base and wav2vec2-large have besides their size (their config.json on the hub).
_BOTH = {"position_kernel": 128, "position_groups": 16, "codevectors": 320}
_KINDS: dict[bool, dict[str, Any]] = {
    False: {
        **_BOTH,
        "feat_extract_norm": "group",
        "do_stable_layer_norm": False,
        "conv_bias": False,
        "layerdrop": 0.05,
        "codevector_dim": 256,
        "proj_codevector_dim": 256,
    },
    True: {
        **_BOTH,
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": True,
        "layerdrop": 0.1,
        "codevector_dim": 768,
        "proj_codevector_dim": 768,
    },
}
#: The fast path is used where it is.
FAST = find_spec("after_ser.model.families.wav2vec2_fast") is not None


class Wav2Vec2(ConvEncoder):
    """The family."""

    model_type = "wav2vec2"
    title = "wav2vec 2.0"
    model_class = "Wav2Vec2Model"
    classifier_class = "Wav2Vec2ForSequenceClassification"
    has_quantiser = True
    sizes = {"large": LARGE, "xls-r": LARGE, "xlsr": LARGE}
    licences = {"facebook/wav2vec2-base": "Apache-2.0, says its model card on the Hugging Face hub"}

    def shape(self, backbone: Mapping[str, Any]) -> Shape:
        """Return its own size where it is trained here, else that of wav2vec2-base.

        Or of wav2vec2-large where its name says so: its own config.json lies on the hub.
        """
        if "scratch" not in backbone:
            return super().shape(backbone)
        arch = backbone["scratch"]
        strides = tuple(arch["conv_stride"])
        dim = arch["conv_dim"]
        return Shape(
            conv_dim=(dim,) * len(strides) if isinstance(dim, int) else tuple(dim),
            kernels=tuple(arch["conv_kernel"]),
            strides=strides,
            hidden=arch["hidden_size"],
            layers=arch["layers"],
            intermediate=arch["intermediate_size"],
        )

    def architecture(self, backbone: Mapping[str, Any]) -> dict[str, Any]:
        """Return its own where it is trained here, else one of the size of `shape`."""
        if "scratch" in backbone:
            return dict(backbone["scratch"])
        return architecture_of(self.shape(backbone))

    def build(self, architecture: Mapping[str, Any], seed: int) -> Pretraining:
        """Return a model with random weights; see `model.scratch`."""
        return Quantised(build_scratch(architecture, seed), self, True)

    def pretraining(self, folder: Folder) -> Pretraining:
        """Load the model with quantiser and projection heads, which a fine-tuned one has not."""
        from transformers import Wav2Vec2ForPreTraining

        read_config(folder)
        module, _ = load_model(Wav2Vec2ForPreTraining, folder)
        return Quantised(module, self, wants_normalised(folder))

    def latents(self, cnn: Any, samples: Tensor) -> Tensor:
        """Return [B, T, D]."""
        if FAST:
            from after_ser.model.families.wav2vec2_fast.cnn import latents_of

            return latents_of(cnn, samples)
        return super().latents(cnn, samples)

    def body(self, folder: Path, fast: bool = True) -> Body:
        """Load projection and transformer; the fast ones without transformers."""
        if fast and FAST:
            from after_ser.model.families.wav2vec2_fast.transformer import load_body

            return load_body(folder, self)
        return super().body(folder)

    def body_of(self, described: dict[str, Any], where: str, fast: bool = True) -> Body:
        """Build projection and transformer."""
        if fast and FAST:
            from after_ser.model.families.wav2vec2_fast.transformer import build_body

            return build_body(described, where, self)
        return super().body_of(described, where)


class Quantised(ConvPretraining):
    """transformers' Wav2Vec2ForPreTraining."""

    def __init__(self, module: Wav2Vec2ForPreTraining, family: Wav2Vec2, scale: bool) -> None:
        """`scale` as ConvPretraining. Raises InputError for a model that was made without masks."""
        if not hasattr(module.wav2vec2, MASK_EMBEDDING):
            raise InputError(
                "pre-training: the model has no mask embedding, since its config sets "
                "mask_time_prob to 0; expected a model that was pre-trained with masks"
            )
        super().__init__(module, module.wav2vec2, family, scale)
        self.quantiser = module
        if FAST:
            from after_ser.model.families.wav2vec2_fast.dropout import quicken

            quicken(module)

    def project(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return the projection, and the normed latents that the quantiser is given."""
        hidden, normed = self.body.projection(latents)
        return hidden, normed


def architecture_of(shape: Shape) -> dict[str, Any]:
    """Return an architecture of this size, otherwise as wav2vec2-base or wav2vec2-large."""
    return {
        "conv_dim": list(shape.conv_dim),
        "conv_kernel": list(shape.kernels),
        "conv_stride": list(shape.strides),
        "hidden_size": shape.hidden,
        "layers": shape.layers,
        "heads": shape.hidden // 64,
        "intermediate_size": shape.intermediate,
        **_KINDS[shape.hidden >= LARGE.hidden],
    }
