"""wav2vec 2.0 from the CNN's latents on: projection and transformer, in torch alone.

Baevski et al. 2020, section 2, in the two published shapes: layer norm after each sublayer (base)
and before it (large). Fine-tuning starts from cached latents and needs no more of the model;
importing transformers for it costs three seconds, which is half of a small fit. Names of
parameters and the order of random draws are those of transformers' Wav2Vec2Model, and results
are equal to its bit for bit on the CPU (tests/model/test_transformer.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from after_ser.core.errors import InputError
from after_ser.model.families.base import Body, Family
from after_ser.model.families.wav2vec2_fast.dropout import Dropout, attention
from after_ser.model.geometry import Geometry
from after_ser.model.load import CONFIG, expect_complete, expect_weights
from after_ser.model.registry import read_config

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "silu": functional.silu,
}
#: Names of weight norm in checkpoints of before 2024.
_OLD_NAMES = {
    "conv.weight_g": "conv.parametrizations.weight.original0",
    "conv.weight_v": "conv.parametrizations.weight.original1",
}
_PREFIXES = ("wav2vec2.", "")


@dataclass(frozen=True)
class TransformerConfig:
    """The fields of a checkpoint's config.json that matter here, with transformers' defaults."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout: float = 0.1
    activation_dropout: float = 0.1
    attention_dropout: float = 0.1
    feat_proj_dropout: float = 0.0
    layerdrop: float = 0.1
    layer_norm_eps: float = 1e-5
    feat_extract_activation: str = "gelu"
    conv_dim: tuple[int, ...] = (512, 512, 512, 512, 512, 512, 512)
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    do_stable_layer_norm: bool = False

    @classmethod
    def of(cls, described: dict[str, Any], where: str) -> TransformerConfig:
        """Read a config.json's mapping; `where` names it in messages.

        Raises InputError for an activation or an attention adapter that is not known here.
        """
        if described.get("adapter_attn_dim") is not None:
            raise InputError(
                f"backbone: {where} has attention adapters (adapter_attn_dim); expected none"
            )
        given: dict[str, Any] = {}
        for field in fields(cls):
            if field.name in described:
                value = described[field.name]
                given[field.name] = tuple(value) if isinstance(value, list) else value
        config = cls(**given)
        for name in (config.hidden_act, config.feat_extract_activation):
            if name not in ACTIVATIONS:
                raise InputError(
                    f"backbone: {where} has the activation {name!r}; "
                    f"expected one of {', '.join(ACTIVATIONS)}"
                )
        return config


class Projection(nn.Module):
    """Latents [B, T, D] to the transformer's width [B, T, H]: layer norm, linear, dropout."""

    def __init__(self, config: TransformerConfig) -> None:
        """Draw the weights anew."""
        super().__init__()
        self.layer_norm = nn.LayerNorm(config.conv_dim[-1], eps=config.layer_norm_eps)
        self.projection = nn.Linear(config.conv_dim[-1], config.hidden_size)
        self.dropout = Dropout(config.feat_proj_dropout)

    def forward(self, latents: Tensor) -> Tensor:
        """Return [B, T, H]."""
        projected: Tensor = self.dropout(self.projection(self.layer_norm(latents)))
        return projected


class PositionalConvolution(nn.Module):
    """Relative positions by a grouped convolution over time with weight norm: [B, T, H] to same."""

    def __init__(self, config: TransformerConfig) -> None:
        """Draw the weights anew."""
        super().__init__()
        width = config.num_conv_pos_embeddings
        with ExitStack() as real:
            if torch.get_default_device().type == "meta":
                # a norm of weights that are not there would load torch's compiler, over a second:
                # so they are drawn, unnoticed by the caller's draws, and assigned like the others
                real.enter_context(torch.device("cpu"))
                real.enter_context(torch.random.fork_rng(devices=[]))
            convolution = nn.Conv1d(
                config.hidden_size,
                config.hidden_size,
                width,
                padding=width // 2,
                groups=config.num_conv_pos_embedding_groups,
            )
            self.conv = weight_norm(convolution, name="weight", dim=2)
        self.surplus = 1 - width % 2  # an even kernel gives one frame too many
        self.activation = ACTIVATIONS[config.feat_extract_activation]

    def forward(self, hidden: Tensor) -> Tensor:
        """Return what is added to `hidden`."""
        found = self.conv(hidden.transpose(1, 2))
        found = found[:, :, : found.shape[2] - self.surplus]
        return self.activation(found).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention over the valid frames: [B, T, H] to same."""

    def __init__(self, config: TransformerConfig) -> None:
        """Draw the weights anew."""
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.dropout = config.attention_dropout
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """`mask` [B, 1, 1, T] is True at frames that may be looked at; None means all of them."""
        query, key, value = (
            project(hidden).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        rate = self.dropout if self.training else 0.0
        found = attention(query, key, value, mask, rate)
        mixed: Tensor = self.out_proj(found.transpose(1, 2).flatten(2))
        return mixed


class FeedForward(nn.Module):
    """Two linear layers with an activation and dropout after each: [B, T, H] to same."""

    def __init__(self, config: TransformerConfig) -> None:
        """Draw the weights anew."""
        super().__init__()
        self.intermediate_dropout = Dropout(config.activation_dropout)
        self.intermediate_dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.output_dense = nn.Linear(config.intermediate_size, config.hidden_size)
        self.output_dropout = Dropout(config.hidden_dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return what is added to `hidden`."""
        inner = self.intermediate_dropout(self.activation(self.intermediate_dense(hidden)))
        outer: Tensor = self.output_dropout(self.output_dense(inner))
        return outer


class Layer(nn.Module):
    """Attention and feed-forward with residuals: [B, T, H] to same."""

    def __init__(self, config: TransformerConfig) -> None:
        """Draw the weights anew."""
        super().__init__()
        self.norm_first = config.do_stable_layer_norm
        self.attention = Attention(config)
        self.dropout = Dropout(config.hidden_dropout)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """`mask` as in Attention."""
        if self.norm_first:
            hidden = hidden + self.dropout(self.attention(self.layer_norm(hidden), mask))
            return hidden + self.feed_forward(self.final_layer_norm(hidden))
        hidden = self.layer_norm(hidden + self.dropout(self.attention(hidden, mask)))
        normed: Tensor = self.final_layer_norm(hidden + self.feed_forward(hidden))
        return normed


class Transformer(nn.Module):
    """Positions, then all layers: projected latents [B, T, H] to context [B, T, H].

    In training a layer is skipped with the probability `layerdrop` (Fan et al. 2020).
    """

    def __init__(self, config: TransformerConfig) -> None:
        """Draw the weights anew."""
        super().__init__()
        self.norm_first = config.do_stable_layer_norm
        self.layerdrop = config.layerdrop
        self.pos_conv_embed = PositionalConvolution(config)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, hidden: Tensor, valid: Tensor | None) -> Tensor:
        """`valid` [B, T] is True where a frame is no padding; None where nothing is padded."""
        for state in self.states(hidden, valid):
            hidden = state
        return hidden

    def states(self, hidden: Tensor, valid: Tensor | None) -> Iterator[Tensor]:
        """Yield what the first layer is given, then what leaves each; the last one normed."""
        mask = None
        if valid is not None:
            hidden = torch.where(valid[..., None], hidden, 0.0)
            mask = valid[:, None, None]
        hidden = hidden + self.pos_conv_embed(hidden)
        if not self.norm_first:
            hidden = self.layer_norm(hidden)
        hidden = self.dropout(hidden)
        yield hidden
        for index, layer in enumerate(self.layers, start=1):
            skipped = self.training and self.layerdrop > 0 and bool(torch.rand([]) < self.layerdrop)
            if not skipped:
                hidden = layer(hidden, mask)
            last = index == len(self.layers)
            yield self.layer_norm(hidden) if last and self.norm_first else hidden


class FastBody(Body):
    """Projection and Transformer."""

    def layers(self, projected: Tensor, valid: Tensor | None) -> list[Tensor]:
        """Return L + 1 times [B, T, H]."""
        assert isinstance(self.transformer, Transformer)
        return list(self.transformer.states(projected, valid))

    def last(self, projected: Tensor, valid: Tensor | None) -> Tensor:
        """Return [B, T, H], without keeping the others."""
        found: Tensor = self.transformer(projected, valid)
        return found


def build_body(described: dict[str, Any], where: str, family: Family) -> FastBody:
    """Build the modules of a config.json's mapping, their weights still to be assigned.

    Raises InputError as TransformerConfig.of.
    """
    config = TransformerConfig.of(described, where)
    with torch.device("meta"):  # nothing is drawn that is overwritten anyway
        projection, transformer = Projection(config), Transformer(config)
    return FastBody(
        family, described, Geometry.of(config), config.hidden_size, projection, transformer
    )


def load_body(folder: Path, family: Family) -> FastBody:
    """Read a checkpoint folder's projection and transformer, float32, in evaluation mode.

    Raises InputError where a weight is missing or has another shape.
    """
    from safetensors import SafetensorError, safe_open

    body = build_body(read_config(folder), str(folder / CONFIG), family)
    path = expect_weights(folder)
    parts = {"feature_projection": body.projection, "encoder": body.transformer}
    try:
        with safe_open(path, "pt") as file:
            stored = _stored_names(list(file.keys()))
            wanted = [f"{part}.{name}" for part in parts for name in parts[part].state_dict()]
            expect_complete(path, [name for name in wanted if name not in stored], "Wav2Vec2Model")

            def read(name: str) -> Tensor:
                # a copy: the file's own memory may be misaligned, and training writes into it
                tensor: Tensor = file.get_tensor(stored[name]).to(torch.float32, copy=True)
                return tensor

            for part, module in parts.items():
                names = list(module.state_dict())
                module.load_state_dict({n: read(f"{part}.{n}") for n in names}, assign=True)
            if "masked_spec_embed" in stored:
                body.mask_embedding = read("masked_spec_embed")
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"backbone: cannot load {path}: {reason}") from None
    body.projection.eval()
    body.transformer.eval()
    return body


def _stored_names(names: list[str]) -> dict[str, str]:
    """Return the present name of each weight -> the name that the file has for it."""
    prefix = next((p for p in _PREFIXES if any(n.startswith(f"{p}encoder.") for n in names)), "")
    found: dict[str, str] = {}
    for name in names:
        present = name.removeprefix(prefix)
        for old, new in _OLD_NAMES.items():
            present = present.replace(old, new)
        found[present] = name
    return found
