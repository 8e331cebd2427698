"""The architecture to measure a backbone's speed with: no weights of anybody are needed for it."""

from __future__ import annotations

from typing import Any

from after_ser.cluster.work import LARGE, Shape, shape_of


def architecture(backbone: dict[str, Any]) -> dict[str, Any]:
    """Return a backbone of the config as an architecture that `build_scratch` takes.

    Its own where it is trained here, else one of the size that `shape_of` takes it for.
    """
    if "scratch" in backbone:
        return dict(backbone["scratch"])
    return of_shape(shape_of(backbone))


def of_shape(shape: Shape) -> dict[str, Any]:
    """Return an architecture of this size, otherwise as wav2vec2-base or wav2vec2-large.

    What these have besides their size is in their config.json on the hub.
    """
    large = shape.hidden >= LARGE.hidden
    return {
        "conv_dim": list(shape.conv_dim),
        "conv_kernel": list(shape.kernels),
        "conv_stride": list(shape.strides),
        "hidden_size": shape.hidden,
        "layers": shape.layers,
        "heads": shape.hidden // 64,
        "intermediate_size": shape.intermediate,
        "position_kernel": 128,
        "position_groups": 16,
        "codevectors": 320,
        "feat_extract_norm": "layer" if large else "group",
        "do_stable_layer_norm": large,
        "conv_bias": large,
        "layerdrop": 0.1 if large else 0.05,
        "codevector_dim": 768 if large else 256,
        "proj_codevector_dim": 768 if large else 256,
    }
