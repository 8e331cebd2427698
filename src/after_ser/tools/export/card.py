"""The model card (README.md) of an exported folder, all of it from the run's own files.

The text is in templates/card.md, which shows what a user wrote (names, notes, licences) as text: a
card is shown as a page.
"""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

import after_ser
from after_ser.judge.bootstrap import bootstrap_ua, gather_counts
from after_ser.judge.cells import percent
from after_ser.judge.render import render
from after_ser.judge.statistics import summarise
from after_ser.judge.tables import provenance
from after_ser.judge.tables.provenance import is_synthetic
from after_ser.model.families.base import Family
from after_ser.model.registry import family_named
from after_ser.tools.export import scores
from after_ser.tools.export.calibration import BINS, Calibration
from after_ser.tools.export.choose import Chosen

Config = Mapping[str, Any]
UNKNOWN = "unknown"
_DOWNLOADS = Path(after_ser.__file__).parents[2] / "config/downloads.yaml"


@dataclass(frozen=True)
class Material:
    """What a card is made of, besides the config and the chosen model."""

    manifest: pd.DataFrame  # of the dataset
    fold: pd.DataFrame  # utt, split of the exported model's fold
    labelled: pd.DataFrame  # utt, label: what the exported model was trained on
    metrics: Mapping[str, Any]  # the exported model's
    calibration: Calibration
    errors: Mapping[str, tuple[float, float]]  # split to ECE before and after
    origin: Mapping[str, Any]  # of the backbone
    family: Family  # the backbone's
    checked: str  # how the folder was compared with the run
    answers: Mapping[str, Any] | None = None  # answers.json of its round, where people were asked


def write_card(config: Config, chosen: Chosen, material: Material) -> str:
    """Return the Markdown of README.md, its YAML header included."""
    cell = chosen.cell
    notes = [provenance.synthetic_note(config, cell.dataset), config.get("note")]
    return render(
        "card.md",
        "after_ser.tools.export",
        cell=cell,
        chosen=chosen,
        material=material,
        header=yaml.safe_dump(_header(config, chosen, material), sort_keys=False),
        names=config["classes"],
        warnings=[note for note in notes if note],
        percent=_percent,
        with_interval=_with_interval,
        bins=BINS,
        **_quality(config, chosen, material),
        **_data(config, chosen, material),
        licences=_licences(config, chosen),
        backbone_note=provenance.backbone_note(_without_folder(config), cell.backbone),
        settings=_settings(config, chosen),
        python=platform.python_version(),
        versions=[
            f"{name} {_version(name)}" for name in ("after-ser", "torch", "transformers", "numpy")
        ],
    )


def _header(config: Config, chosen: Chosen, material: Material) -> dict[str, Any]:
    header: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "audio-classification",
        "tags": [material.family.model_type, "speech-emotion-recognition", "active-learning"],
    }
    hub = config["backbones"][chosen.cell.backbone].get("hub")
    if hub:
        header["base_model"] = str(hub)
    languages = sorted(set(material.manifest.get("language", pd.Series(dtype=str))))
    codes = [language for language in languages if re.fullmatch("[a-z]{2,3}", language)]
    if codes:
        header["language"] = codes
    # no `license`: what the weights and all corpora allow together is for a person to say
    return header


def _quality(config: Config, chosen: Chosen, material: Material) -> dict[str, Any]:
    """Return the scores of all folds and seeds on test clips, or on val clips if there are none."""
    cell, classes = chosen.cell, list(config["classes"])
    clips = scores.scored(chosen.peers, material.manifest, classes, "test")
    tested = not clips.empty
    if not tested:
        clips = scores.scored(chosen.peers, material.manifest, classes, "val")
    of_cell = clips[(clips["fold"] == cell.fold) & (clips["seed"] == cell.seed)]
    folds = scores.by_fold(clips, classes)
    kind, groups = scores.by_group(clips, classes)

    def confusion(rows: pd.DataFrame) -> list[list[Any]]:
        counts = scores.confusion(rows, classes).tolist()
        return [[name, *row] for name, row in zip(classes, counts, strict=True)]

    return {
        "tested": tested,
        "folds": list(folds.itertuples()),
        "groups": list(groups.itertuples()),
        "group_kind": kind,
        "own_confusion": [] if of_cell.empty else confusion(of_cell),
        "all_confusion": confusion(clips) if tested and len(chosen.peers) > 1 else [],
        "spreads": _over_folds(folds),
        "by_speaker": _over_speakers(chosen, material, classes) if tested else {},
        "speakers_apart": "" if tested else _speakers_apart(of_cell, material),
    }


def _speakers_apart(clips: pd.DataFrame, material: Material) -> str:
    """Tell whether these clips are of speakers that the model has not learnt from."""
    train = material.fold.loc[material.fold["split"] == "train", "utt"]
    heard = set(material.manifest.loc[material.manifest["utt"].isin(train), "speaker"])
    if heard & set(clips["speaker"]) - {""}:
        return "no"
    return "unknown" if "" in heard | set(clips["speaker"]) else "yes"


def _over_folds(folds: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    spreads = []
    for name in ("ua", "wa"):
        values = folds[["fold", name]].rename(columns={name: "value"}).assign(seed=0)
        summary = summarise(values)
        if summary["sd"] is not None:
            spreads.append((name.upper(), summary))
    return spreads


def _over_speakers(chosen: Chosen, material: Material, classes: list[str]) -> dict[str, Any]:
    """Return the bootstrap of UA over speakers; without one, ci_low is None and `note` says why."""
    runs = {(peer.fold, peer.seed) for peer in chosen.peers}
    if len(runs) < len({fold for fold, _ in runs}) * len({seed for _, seed in runs}):
        return {"ci_low": None, "note": "folds have unequal seeds so far"}
    speakers = dict(zip(material.manifest["utt"], material.manifest["speaker"], strict=True))
    counts = gather_counts(chosen.peers, speakers, classes)
    if counts[["speaker", "fold"]].drop_duplicates()["speaker"].duplicated().any():
        return {"ci_low": None, "note": "some speaker is tested in several folds"}
    return bootstrap_ua(counts, "export", chosen.cell.dataset, chosen.cell.arm)


def _data(config: Config, chosen: Chosen, material: Material) -> dict[str, Any]:
    dataset = chosen.cell.dataset
    clips = material.manifest.merge(material.fold, on="utt")
    labelled = set(material.labelled["utt"])
    rows = []
    for corpus in provenance.corpora_of(config, dataset):
        part = clips[clips["corpus"] == corpus]
        train, val, test = (int((part["split"] == name).sum()) for name in ("train", "val", "test"))
        hours = part["duration_s"].astype(float).sum() / 3600
        speakers = len(set(part["speaker"]) - {""})
        used = int(part["utt"].isin(labelled).sum())
        rows.append([corpus, speakers, f"{hours:.2f}", train, used, val, test])
    counts = material.labelled["label"].value_counts()
    return {
        "dataset_note": provenance.dataset_note(config, dataset),
        "corpora": rows,
        "budget": percent(float(material.metrics["budget"])),
        "per_class": [f"{name} {int(counts.get(name, 0))}" for name in config["classes"]],
    }


def _licences(config: Config, chosen: Chosen) -> list[Sequence[str]]:
    cell = chosen.cell
    terms = {f"backbone {cell.backbone}": backbone_licence(config, cell.backbone)}
    pretraining = config["backbones"][cell.backbone].get("pretraining", {}).get("corpora", {})
    for corpus in [*provenance.corpora_of(config, cell.dataset), *pretraining]:
        terms[f"corpus {corpus}"] = corpus_licence(config, corpus)
    return list(terms.items())


def _settings(config: Config, chosen: Chosen) -> str:
    cell = chosen.cell
    settings: dict[str, Any] = {
        "arm": {key: value for key, value in config["arms"][cell.arm].items() if key != "label"},
        "budget": [budget for budget in config["budget"] if budget <= cell.budget],
        "protocol": config["protocols"][cell.protocol],
    }
    if cell.start != "pretrained":
        # a checkpoint of the first stage is a path of some machine
        tapt = config["tapt"][cell.start]
        settings["tapt"] = {key: value for key, value in tapt.items() if key != "first_stage"}
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=False, width=80).strip()


def _without_folder(config: Config) -> Config:
    """Return the config without the paths of local checkpoints: a card may be published."""
    backbones = {
        name: backbone | ({"folder": "of the run's machine"} if backbone.get("folder") else {})
        for name, backbone in config["backbones"].items()
    }
    return {**config, "backbones": backbones}


def _version(package: str) -> str:
    try:
        return version(package)
    except ImportError:
        return "unknown"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _with_interval(value: float, low: float, high: float) -> str:
    if math.isnan(low):
        return _percent(value)
    return f"{_percent(value)} [{_percent(low)}, {_percent(high)}]"


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
