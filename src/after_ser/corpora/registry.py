"""Adapters by layout name; a module is imported only when its layout is asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from after_ser.corpora.base import Corpus
from after_ser.errors import InputError

LAYOUTS = {
    "iemocap": "after_ser.corpora.iemocap:Iemocap",
    "emodb": "after_ser.corpora.emodb:Emodb",
    "shemo": "after_ser.corpora.shemo:Shemo",
    "ravdess": "after_ser.corpora.ravdess:Ravdess",
    "emovdb": "after_ser.corpora.emovdb:Emovdb",
    "cremad": "after_ser.corpora.cremad:Cremad",
    "savee": "after_ser.corpora.savee:Savee",
    "esd": "after_ser.corpora.esd:Esd",
    "msp_podcast": "after_ser.corpora.msp_podcast:MspPodcast",
    "msp_improv": "after_ser.corpora.msp_improv:MspImprov",
    "mandarin_affective": "after_ser.corpora.mandarin_affective:MandarinAffective",
    "csv": "after_ser.corpora.table:Table",
    "folder": "after_ser.corpora.folder:Folder",
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
