"""Licence terms of backbones and corpora, as far as they are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import after_ser
from after_ser.judge.tables.provenance import is_synthetic
from after_ser.model.registry import family_named

UNKNOWN = "unknown"
_DOWNLOADS = Path(after_ser.__file__).parents[2] / "config/downloads.yaml"


def backbone_licence(config: Mapping[str, Any], name: str) -> str:
    """Return the terms of a backbone's weights: the config's word, the hub's, or that of its data.

    A backbone trained from scratch has none of its own.
    """
    settings = config["backbones"][name]
    if settings.get("licence"):
        return f"{settings['licence']} (stated in the run's config)"
    if settings.get("scratch"):
        corpora = ", ".join(settings["pretraining"]["corpora"])
        return f"trained in this run on {corpora}; no licence of others beyond that of the corpora"
    return family_named(settings).licences.get(str(settings.get("hub")), UNKNOWN)


def corpus_licence(config: Mapping[str, Any], corpus: str) -> str:
    """Return the terms of a corpus: the config's word, or what the release of its layout has."""
    settings = config["corpora"][corpus]
    if settings.get("licence"):
        return f"{settings['licence']} (stated in the run's config)"
    if is_synthetic(config, corpus):
        return "none needed: synthetic, made by the workflow"
    for entry in _releases().values():
        if entry["layout"] == settings["layout"]:
            return f"that of the release, if this is it: {entry['licence']} ({entry['page']})"
    asked_for = _asked_for().get(settings["layout"])
    return f"{UNKNOWN}; the release is had on request: {asked_for}" if asked_for else UNKNOWN


def _plan() -> Mapping[str, Any]:
    """Return config/downloads.yaml of this checkout; nothing where there is none."""
    if not _DOWNLOADS.is_file():
        return {}
    plan = yaml.load(_DOWNLOADS.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return dict(plan)


def _releases() -> Mapping[str, Any]:
    return dict(_plan().get("corpora", {}))


def _asked_for() -> Mapping[str, str]:
    return dict(_plan().get("asked_for", {}))
