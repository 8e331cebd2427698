"""The architecture to measure a backbone's speed with: no weights of anybody are needed for it."""

from __future__ import annotations

from typing import Any

from after_ser.cluster.work import LARGE, Shape, shape_of

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


def architecture(backbone: dict[str, Any]) -> dict[str, Any]:
    """Return a backbone of the config as an architecture that `build_scratch` takes.

    Its own where it is trained here, else one of the size that `shape_of` takes it for.
    """
    if "scratch" in backbone:
        return dict(backbone["scratch"])
    return of_shape(shape_of(backbone))


def of_shape(shape: Shape) -> dict[str, Any]:
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
