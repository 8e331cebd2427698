"""Dropout whose draws cost less than what they act on (Srivastava et al. 2014).

torch draws one Bernoulli number per value on a CPU: a quarter of the time of a fine-tuning step in
float32, a third in bfloat16. Here one draw of 64 bits decides four values, with torch's own
generator, so that seeds and saved states mean what they always mean. Off the CPU this is torch's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: A value is dropped where its 16 bits are below the rate: the rate is rounded to 1/65,536.
_LEVELS = 1 << 16


def dropout(values: Tensor, rate: float) -> Tensor:
    """Return `values` with zeros where they are dropped, the others divided by the kept share.

    As torch.nn.functional.dropout in training; the expectation is exact, though the rate is
    rounded to a multiple of 2^-16.
    """
    dropped = round(rate * _LEVELS)
    if values.device.type != "cpu" or dropped >= _LEVELS:
        return functional.dropout(values, rate, training=True)
    if not dropped:
        return values
    count = values.numel()
    bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(1 << 63), None)
    signed = bits.view(torch.int16)[:count].view(values.shape)
    kept = signed >= dropped - _LEVELS // 2
    return values * kept.to(values.dtype).mul_(_LEVELS / (_LEVELS - dropped))


class Dropout(nn.Dropout):
    """nn.Dropout by `dropout`."""

    def forward(self, values: Tensor) -> Tensor:
        """Return [...], dropped in training mode only."""
        return dropout(values, self.p) if self.training and self.p > 0 else values


def quicken(model: nn.Module) -> None:
    """Replace every nn.Dropout of a model by Dropout, in place."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p).train(child.training))


def attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, rate: float
) -> Tensor:
    """Return softmax(query key^T / sqrt(d)) value, the weights dropped at `rate`: [B, H, T, d].

    mask: True where a frame may be looked at, or None. Without dropout, and off the CPU, this is
    torch's scaled_dot_product_attention.
    """
    if rate == 0 or query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, mask, rate)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return dropout(scores.softmax(-1), rate) @ value
