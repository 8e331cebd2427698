"""Reading a fairseq checkpoint of wav2vec version 1, without running any code in it."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from after_ser.core.errors import InputError
from after_ser.run.weights import read_weights
from after_ser.studies.ptapt.wav2vec import FEATURE_KERNELS, Shape, Wav2Vec

#: Where fairseq keeps the layers' parts: layer i is a sequence of modules.
_NAMES = (
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.(weight)", "features.convs"),
    (r"feature_extractor\.conv_layers\.(\d+)\.2\.(weight|bias)", "features.norms"),
    (r"feature_aggregator\.conv_layers\.(\d+)\.1\.(weight|bias)", "aggregator.convs"),
    (r"feature_aggregator\.conv_layers\.(\d+)\.3\.(weight|bias)", "aggregator.norms"),
)
#: Options of the checkpoint that change the forward pass, at the values that ours has.
_EXPECTED = {
    "aggregator": "cnn",
    "skip_connections_feat": False,
    "skip_connections_agg": True,
    "residual_scale": 0.5,
    "log_compression": True,
    "agg_zero_pad": False,
    "activation": "relu",
    "vq_type": "none",
}


def load_wav2vec(path: str | os.PathLike[str]) -> Wav2Vec:
    """Return the CNN and aggregator of e.g. wav2vec_large.pt, float32; its sizes are read off.

    Read with `weights_only`; besides tensors and plain values only an argparse.Namespace is let
    in, which holds the training's options and runs nothing. Raises InputError for a file that
    holds more than that, lacks a weight, or is of a model whose forward pass differs.
    """
    state, options = _read(Path(path))
    for name, expected in _EXPECTED.items():
        if options.get(name, expected) not in (expected, str(expected)):
            raise InputError(
                f"p-tapt: {path} was trained with {name} {options[name]!r}; expected {expected!r}"
            )
    tensors = rename(state)
    model = Wav2Vec(_shape(tensors, path))
    own = model.state_dict()
    wrong = [
        name
        for name in sorted({*own, *tensors})
        if name not in own or name not in tensors or own[name].shape != tensors[name].shape
    ]
    if wrong:
        raise InputError(
            f"p-tapt: {path} is not a wav2vec checkpoint as expected: {len(wrong)} weights are "
            f"missing, unknown or of another shape (first: {wrong[0]})"
        )
    model.load_state_dict(tensors)
    return model


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our names and the tensors of fairseq's state; what is neither part is left out."""
    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        for pattern, ours in _NAMES:
            match = re.fullmatch(pattern, name)
            if match:
                tensors[f"{ours}.{match[1]}.{match[2]}"] = value.float()
                break
        else:
            if name.startswith(("feature_extractor.", "feature_aggregator.")):
                tensors[name] = value
    return tensors


def _shape(tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> Shape:
    kernels = _kernels(tensors, "features.convs")
    if kernels != FEATURE_KERNELS:
        raise InputError(
            f"p-tapt: {path} has a CNN of kernels {list(kernels)}; expected a wav2vec checkpoint "
            f"with {list(FEATURE_KERNELS)}"
        )
    channels = int(tensors["features.convs.0.weight"].shape[0])
    return Shape(channels, _kernels(tensors, "aggregator.convs"))


def _kernels(tensors: Mapping[str, Tensor], part: str) -> tuple[int, ...]:
    kernels: list[int] = []
    while f"{part}.{len(kernels)}.weight" in tensors:
        kernels.append(int(tensors[f"{part}.{len(kernels)}.weight"].shape[-1]))
    return tuple(kernels)


def _read(path: Path) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    try:
        saved = read_weights(path, "p-tapt", safe=[argparse.Namespace])
    except FileNotFoundError:
        raise InputError(
            f"p-tapt: there is no {path}; expected fairseq's wav2vec_large.pt (first_stage)"
        ) from None
    if not isinstance(saved, Mapping) or not isinstance(saved.get("model"), Mapping):
        raise InputError(f"p-tapt: {path} has no weights under 'model'; expected fairseq's file")
    options = saved.get("args")
    return saved["model"], vars(options) if isinstance(options, argparse.Namespace) else {}
