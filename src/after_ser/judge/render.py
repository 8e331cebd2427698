"""Pages, Markdown and LaTeX from the packages' templates; every value is escaped."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from after_ser.run.atomic import write_text, write_tsv

_HERE = "after_ser.judge"
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_TEX = str.maketrans(
    {
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
)


def one_line(text: str) -> str:
    """Return `text` without line breaks and other control characters: they end a comment or row."""
    return _BREAKS.sub(" ", text)


def tex_text(text: str) -> str:
    """Return `text` with LaTeX's special characters escaped."""
    return one_line(text).translate(_TEX)


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
        return str(htmlsafe_json_dumps(o))


@cache
def _environment(package: str, form: str) -> Environment:
    """Return the templates of a package, and those here; `form` is html, md or tex.

    HTML is escaped by Jinja2, the others by `finalize`, which every value goes through. Braces
    mean something to LaTeX, so its templates write << >> for {{ }} and <% %> for {% %}.
    """
    loader = ChoiceLoader([PackageLoader(name, "templates") for name in (package, _HERE)])
    options: dict[str, Any] = {
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "keep_trailing_newline": True,
    }
    if form == "html":
        pages = Environment(loader=loader, autoescape=True, **options)
        pages.policies["json.dumps_kwargs"] = {"allow_nan": False}  # of the filter tojson
        return pages
    escape = {"md": markdown_text, "tex": tex_text}[form]
    if form == "tex":
        options |= {"variable_start_string": "<<", "variable_end_string": ">>"}
        options |= {"block_start_string": "<%", "block_end_string": "%>"}
    # Markup is what a filter has made fit for this place
    options["finalize"] = lambda value: value if isinstance(value, Markup) else escape(str(value))
    environment = Environment(loader=loader, autoescape=False, **options)  # noqa: S701 (no HTML)
    environment.filters["one_line"] = lambda text: Markup(one_line(text))  # noqa: S704
    return environment


def render(template: str, package: str = _HERE, **content: Any) -> str:
    """Return a template of a package, e.g. "table.html", filled in with `content`."""
    form = template.rpartition(".")[2]
    return _environment(package, form).get_template(template).render(**content)


def source(name: str, package: str = _HERE) -> Markup:
    """Return a stylesheet or script that lies beside the templates, to stand in a page as it is."""
    text = (files(package) / "templates" / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 (our own)


class Document(ABC):
    """What a table's script writes: data, and renderings of the template of its name."""

    template: str

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """Return what the templates show."""

    @abstractmethod
    def data(self) -> dict[str, pd.DataFrame]:
        """Return the data of every TSV by the name of the output: `tsv`, and more it may have."""

    def shown(self, form: str) -> str:
        """Return the rendering as md, tex or html."""
        return render(f"{self.template}.{form}", **self.content())

    def write(
        self, tsv: str | Path, md: str | Path, tex: str | Path, html: str | Path, **more: str | Path
    ) -> None:
        """Write all forms; a TSV is the same to the byte for the same scores."""
        data = self.data()
        for name, path in {"tsv": tsv, **more}.items():
            write_tsv(path, data[name])
        for form, path in {"md": md, "tex": tex, "html": html}.items():
            write_text(path, self.shown(form))
