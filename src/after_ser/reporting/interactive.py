"""Interactive figures as one HTML file that needs no network: Vega is embedded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import altair as alt

from after_ser.reporting.render import ScriptJson
from after_ser.runtime.atomic import write_text

# "Open in the Vega editor" is left out: it would send the data to another site.
_ACTIONS = {"export": True, "source": False, "compiled": False, "editor": False}
_REMOTE_SCRIPT = re.compile(r"<(?:script|link)\b[^>]*\b(?:src|href)\s*=", re.IGNORECASE)


def write_html(chart: Any, path: str | Path, name: str) -> None:
    """Write an altair chart as a self-contained page; `name` becomes the element's id.

    Raises ValueError where the page would load a script or style from elsewhere.
    """
    with alt.data_transformers.enable("default", max_rows=None):
        page = chart.to_html(
            inline=True,
            output_div=name,
            embed_options={"actions": _ACTIONS},
            json_kwds={"cls": ScriptJson},
        )
    if _REMOTE_SCRIPT.search(page):
        raise ValueError(f"{path}: the page would load a script from elsewhere")
    page = page.replace("<html>", '<html lang="en">', 1)
    page = page.replace("<head>", f"<head>\n  <title>{name}</title>", 1)
    write_text(path, page)
