"""Which fits compute in bfloat16: `precision` of the config."""

from __future__ import annotations

import torch

from after_ser.core.errors import InputError

PRECISIONS = ("auto", "fp32", "bf16")


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Tell whether a model on `device` runs under autocast to bfloat16.

    "auto": on GPUs that have it, never on CPUs: there the same config gives the same bytes on
    every machine of one kind, whether or not its CPU has bfloat16. Raises InputError where bf16 is
    asked for and would be emulated, at a fraction of the speed of fp32.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision} is none of {PRECISIONS}")
    if precision == "fp32" or (precision == "auto" and device.type == "cpu"):
        return False
    there = has_bf16(device)
    if precision == "bf16" and not there:
        raise InputError(
            f"config: precision: bf16, which this {device.type} does not have (a CPU needs "
            "avx512_bf16 or AMX, a GPU compute capability 8.0); expected auto or fp32"
        )
    return there


def has_bf16(device: torch.device) -> bool:
    """Tell whether the device multiplies bfloat16 matrices itself."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
