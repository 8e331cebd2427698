"""Layouts by name."""

from __future__ import annotations

from after_ser.core.errors import InputError
from after_ser.tools.synthesis.layouts.base import Layout
from after_ser.tools.synthesis.layouts.cremad import CremadLayout
from after_ser.tools.synthesis.layouts.emodb import EmodbLayout
from after_ser.tools.synthesis.layouts.emovdb import EmovdbLayout
from after_ser.tools.synthesis.layouts.esd import EsdLayout
from after_ser.tools.synthesis.layouts.iemocap import IemocapLayout
from after_ser.tools.synthesis.layouts.ravdess import RavdessLayout
from after_ser.tools.synthesis.layouts.savee import SaveeLayout
from after_ser.tools.synthesis.layouts.shemo import ShemoLayout

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        IemocapLayout(),
        EmodbLayout(),
        ShemoLayout(),
        RavdessLayout(),
        EmovdbLayout(),
        CremadLayout(),
        SaveeLayout(),
        EsdLayout(),
    )
}


def get_layout(name: str) -> Layout:
    """Return the layout called `name`; raises InputError with the known names otherwise."""
    if name not in LAYOUTS:
        raise InputError(
            f"synthetic layout: {name!r} cannot be written; expected one of {', '.join(LAYOUTS)}"
        )
    return LAYOUTS[name]
