"""Text as LaTeX, Markdown and a page's scripts understand it; for HTML there is html.escape."""

from __future__ import annotations

import json
import re
from typing import Any

_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
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
    ">": "$>$",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
}


def tex_text(text: str) -> str:
    """Return `text` with LaTeX's special characters escaped."""
    return "".join(_TEX.get(character, character) for character in one_line(text))


def one_line(text: str) -> str:
    """Return `text` without line breaks and other control characters: they end a comment or row."""
    return _BREAKS.sub(" ", text)


def markdown_text(text: str) -> str:
    """Return `text` as a Markdown cell that shows it: no column ends, no HTML or link begins.

    A "<" that no tag can begin with, as in "p < 0.05", stays as it is.
    """
    text = one_line(text).replace("\\", "\\\\").replace("|", "\\|")
    text = re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text)
    text = re.sub(r"&(?=#?\w+;)", r"\\&", text)
    return re.sub(r"\](?=[(\[])", r"\\]", text)


class ScriptJson(json.JSONEncoder):
    """JSON that may stand in a <script> of a page: nothing in it ends the script."""

    def encode(self, o: Any) -> str:
        """Return the JSON of `o` with what means something to HTML written as an escape."""
        text = super().encode(o)
        for character in "<>&\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return text
