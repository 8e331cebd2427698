"""Adapters by layout name; a module is imported only when its layout is asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from after_ser.core.errors import InputError
from after_ser.data.corpora.base import Corpus

LAYOUTS = {
    "iemocap": "after_ser.data.corpora.iemocap:Iemocap",
    "emodb": "after_ser.data.corpora.emodb:Emodb",
    "shemo": "after_ser.data.corpora.shemo:Shemo",
    "ravdess": "after_ser.data.corpora.ravdess:Ravdess",
    "emovdb": "after_ser.data.corpora.emovdb:Emovdb",
    "cremad": "after_ser.data.corpora.cremad:Cremad",
    "savee": "after_ser.data.corpora.savee:Savee",
    "tess": "after_ser.data.corpora.tess:Tess",
    "esd": "after_ser.data.corpora.esd:Esd",
    "msp_podcast": "after_ser.data.corpora.msp_podcast:MspPodcast",
    "msp_improv": "after_ser.data.corpora.msp_improv:MspImprov",
    "mandarin_affective": "after_ser.data.corpora.mandarin_affective:MandarinAffective",
    "csv": "after_ser.data.corpora.table:Table",
    "folder": "after_ser.data.corpora.folder:Folder",
}


def corpus_adapter(layout: str) -> Corpus:
    """Return the adapter of `layout`; raises InputError that suggests the nearest name."""
    if layout not in LAYOUTS:
        near = get_close_matches(layout.lower().replace("-", ""), LAYOUTS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InputError(
            f"layout {layout!r} is unknown{hint}; expected one of {', '.join(LAYOUTS)}"
        )
    module, _, attribute = LAYOUTS[layout].partition(":")
    adapter: Corpus = getattr(import_module(module), attribute)()
    return adapter
