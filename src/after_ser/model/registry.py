"""Backbone families and heads by name; importing this imports no torch.

A new family is one file with a subclass of `Family` and one line here, a new head one with a
subclass of `Head` and one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from after_ser.core.errors import InputError
from after_ser.model.load import CONFIG, Folder, read_json

if TYPE_CHECKING:
    from after_ser.model.families.base import Family
    from after_ser.model.heads import Head

#: model_type of config.json -> module:class.
FAMILIES = {
    "wav2vec2": "after_ser.model.families.wav2vec2:Wav2Vec2",
    "hubert": "after_ser.model.families.hubert:Hubert",
    "wavlm": "after_ser.model.families.wavlm:WavLM",
    "data2vec-audio": "after_ser.model.families.data2vec_audio:Data2VecAudio",
    "moonshine": "after_ser.model.families.moonshine:Moonshine",
    "whisper": "after_ser.model.families.whisper:Whisper",
}
#: Of a backbone that nothing says more about: an architecture to train from scratch, for example.
DEFAULT = "wav2vec2"
#: `head` of a protocol -> module:class.
HEADS = {
    "mean-relu-linear": "after_ser.model.heads:MeanReluLinear",
    "relu-mean-linear": "after_ser.model.heads:ReluMeanLinear",
    "sequence-classification": "after_ser.model.heads:SequenceClassification",
}


def family(model_type: str, where: str) -> Family:
    """Return the family of this name; InputError, naming `where`, for one that is not known."""
    if model_type not in FAMILIES:
        near = difflib.get_close_matches(str(model_type), FAMILIES, n=1)
        raise InputError(
            f"backbone: {where} has model_type {model_type!r}; "
            + (f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(FAMILIES)}")
        )
    return _made(FAMILIES[model_type])


def head_class(name: str) -> type[Head]:
    """Return the head of this name; ValueError for one that is not known."""
    if name not in HEADS:
        raise ValueError(f"head {name} is none of {', '.join(HEADS)}")
    kind: type[Head] = _class(HEADS[name])
    return kind


def exportable_heads(family: Family) -> list[str]:
    """Return the heads that a class of transformers has for a family."""
    return [name for name in HEADS if family.exported_as(head_class(name)) is not None]


@cache
def _made(where: str) -> Family:
    made: Family = _class(where)()
    return made


def _class(where: str) -> Any:
    module, kind = where.split(":")
    return getattr(import_module(module), kind)


def read_config(folder: Folder) -> dict[str, Any]:
    """Return config.json of a checkpoint folder; InputError unless its family is known."""
    described = read_json(Path(folder) / CONFIG)
    family(str(described.get("model_type")), str(Path(folder) / CONFIG))
    return described


def family_of(folder: Folder) -> Family:
    """Return the family of a checkpoint folder."""
    return family(str(read_config(folder)["model_type"]), str(folder))


def family_of_architecture(architecture: Mapping[str, Any]) -> Family:
    """Return the family of an architecture that is to get random weights."""
    return family(str(architecture.get("model_type", DEFAULT)), "an architecture")


def family_named(backbone: Mapping[str, Any]) -> Family:
    """Return the family of a backbone of the config, by its name alone.

    Planning needs no data and no network, so a checkpoint is what its hub id or folder says it is,
    unless its config.json is here. Estimates and early refusals read this: what is loaded is
    recognised by its config.json alone.
    """
    if "scratch" in backbone:
        return family_of_architecture(backbone["scratch"])
    if "folder" in backbone and (Path(backbone["folder"]) / CONFIG).is_file():
        return family_of(backbone["folder"])
    name = str(backbone.get("hub", backbone.get("folder", ""))).lower()
    return family(next((known for known in FAMILIES if known in name), DEFAULT), name)
