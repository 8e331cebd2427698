"""Random sources named by what they may depend on, so that adding an arm changes no other draw."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(*parts: str | int) -> int:
    """Return a stable 63-bit seed for the named random source, e.g. ("initial", dataset, fold, 0).

    Python's own hash() is salted per process, so a cryptographic one is used.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng(*parts: str | int) -> np.random.Generator:
    """Return a NumPy generator for the named random source."""
    return np.random.default_rng(derive_seed(*parts))
