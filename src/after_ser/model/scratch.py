"""A small wav2vec 2.0 from an architecture dict, for machines that reach no model hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from after_ser.core.errors import InputError

if TYPE_CHECKING:
    from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining

#: Short names of the architecture dict -> names of transformers' Wav2Vec2Config.
NAMES = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "position_kernel": "num_conv_pos_embeddings",
    "position_groups": "num_conv_pos_embedding_groups",
    "codevectors": "num_codevectors_per_group",
    "codevector_groups": "num_codevector_groups",
    "negatives": "num_negatives",
    "dropout": "hidden_dropout",
}
REQUIRED = (
    "conv_dim",
    "conv_kernel",
    "conv_stride",
    "hidden_size",
    "layers",
    "heads",
    "intermediate_size",
)
#: What a small model needs otherwise than the 95 M parameter one. Layer norm (as wav2vec2-large
#: has) makes a clip's output independent of the padding in its batch; LayerDrop hurts few layers.
DEFAULTS: dict[str, Any] = {
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
    "layerdrop": 0.0,
    "position_kernel": 32,
    "position_groups": 8,
    "codevectors": 64,
    "codevector_dim": 64,
    "proj_codevector_dim": 64,
}


def check_architecture(arch: Mapping[str, Any]) -> None:
    """Raise InputError for missing, contradictory or wrong entries; imports nothing heavy.

    Whether an unusual name is a field of Wav2Vec2Config is seen by `scratch_config`.
    """
    missing = [key for key in REQUIRED if key not in arch]
    if missing:
        raise InputError(
            f"backbone, scratch: {', '.join(missing)} missing; "
            f"expected at least {', '.join(REQUIRED)}"
        )
    for key, value in arch.items():
        whole = isinstance(DEFAULTS.get(key), int) or key in REQUIRED or key in NAMES
        if isinstance(DEFAULTS.get(key), bool) or key == "dropout" or not whole:
            continue
        values = value if isinstance(value, list) and key.startswith("conv_") else [value]
        if key in ("conv_kernel", "conv_stride") and not isinstance(value, list):
            values = []
        if not values or not all(type(one) is int and one > 0 for one in values):
            kind = (
                "a list of whole numbers" if key in ("conv_kernel", "conv_stride") else "a number"
            )
            raise InputError(f"backbone, scratch: {key} is {value!r}; expected {kind} above 0")
    _check(_fields(arch))


def _fields(arch: Mapping[str, Any]) -> dict[str, Any]:
    """Return `arch` with the defaults, under transformers' names and with a width per layer."""
    fields = {NAMES.get(key, key): value for key, value in {**DEFAULTS, **arch}.items()}
    if isinstance(fields["conv_dim"], int):
        fields["conv_dim"] = [fields["conv_dim"]] * len(fields["conv_stride"])
    return fields


def scratch_config(arch: Mapping[str, Any]) -> Wav2Vec2Config:
    """Return transformers' config for `arch`.

    `arch` needs `conv_dim` (a number, or one per layer), `conv_kernel`, `conv_stride` (lists, in
    samples of 16 kHz audio for the first layer), `hidden_size`, `layers`, `heads`,
    `intermediate_size`; every other field of Wav2Vec2Config may be given under its own name or
    its short name in NAMES. Raises InputError for unknown, missing or contradictory entries.
    """
    from transformers import Wav2Vec2Config

    check_architecture(arch)
    fields = _fields(arch)
    plain = Wav2Vec2Config()
    unknown = sorted(key for key in fields if not hasattr(plain, key))
    if unknown:
        raise InputError(
            f"backbone, scratch: unknown {', '.join(unknown)}; expected a field of Wav2Vec2Config "
            f"or one of {', '.join(NAMES)}"
        )
    return Wav2Vec2Config(**fields)


def _check(fields: Mapping[str, Any]) -> None:
    lengths = {key: len(fields[key]) for key in ("conv_dim", "conv_kernel", "conv_stride")}
    if len(set(lengths.values())) != 1:
        raise InputError(
            f"backbone, scratch: conv lists of lengths {lengths}; expected equal lengths"
        )
    hidden = fields["hidden_size"]
    for key in ("num_attention_heads", "num_conv_pos_embedding_groups"):
        if hidden % fields[key]:
            raise InputError(
                f"backbone, scratch: hidden_size {hidden} and {key} {fields[key]}; "
                "expected hidden_size to be a multiple of it"
            )
    groups = fields.get("num_codevector_groups", 2)
    if fields["codevector_dim"] % groups:
        raise InputError(
            f"backbone, scratch: codevector_dim {fields['codevector_dim']} and {groups} "
            "code-book groups; expected a multiple of the number of groups"
        )


def build_scratch(arch: Mapping[str, Any], seed: int) -> Wav2Vec2ForPreTraining:
    """Return a randomly initialised model with its quantiser and heads; `seed` fixes the weights.

    The caller's random state is left as it was.
    """
    import torch
    from transformers import Wav2Vec2ForPreTraining

    config = scratch_config(arch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Wav2Vec2ForPreTraining(config)
