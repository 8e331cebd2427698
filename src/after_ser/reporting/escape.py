"""Text as LaTeX understands it."""

from __future__ import annotations

_TEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "†": r"$^\dagger$",
    "<": "$<$",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
}


def tex_text(text: str) -> str:
    """Return `text` with LaTeX's special characters escaped."""
    return "".join(_TEX.get(character, character) for character in text)
