"""The model card (README.md) of an exported folder, all of it from the run's own files.

Text that a user wrote (names, notes, licences) is escaped: a card is shown as a page.
"""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import yaml

from after_ser.evaluation.bootstrap import bootstrap_ua, gather_counts
from after_ser.evaluation.statistics import summarise
from after_ser.export import licences, scores
from after_ser.export.calibration import BINS, Calibration
from after_ser.export.choose import Chosen
from after_ser.reporting import provenance
from after_ser.reporting.cells import percent
from after_ser.reporting.render import markdown_text

_LIMITS = """\
- **Not for decisions about people.** It must not be used to judge, rank, admit, hire, monitor,
  diagnose, police or price anybody, nor to tell whether somebody lies or is ill. In the European
  Union, Regulation (EU) 2024/1689, Article 5(1)(f), forbids systems that infer emotions at work
  and in education, save for medical or safety reasons.
- **It does not know what anybody feels.** It says which of its classes annotators, or actors, would
  have named for a clip. A voice may show what is not felt and hide what is.
- **It has to name one of its classes**, also for music, noise, silence, other languages, other
  emotions and children. It has no class for "none of these".
- **Its scores are those of the clips below.** Other speakers, languages, microphones, rooms and
  cultures, and spontaneous speech where it was trained on acted speech, are likely to be worse, and
  worse for some groups of people than for others. Test it on speech of your own first.
- **Speech is personal data.** Record and process it only with consent."""


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
    checked: str  # how the folder was compared with the run
    said: Mapping[str, Any] | None = None  # answers.json of its round, where people were asked


def write_card(config: Mapping[str, Any], chosen: Chosen, material: Material) -> str:
    """Return the Markdown of README.md, its YAML header included."""
    cell, classes = chosen.cell, list(config["classes"])
    clips = scores.scored(chosen.peers, material.manifest, classes, "test")
    corpora = provenance.corpora_of(config, cell.dataset)
    parts = [
        _header(config, chosen, material),
        f"# Emotion of speech: {', '.join(map(markdown_text, classes))}",
        f"wav2vec 2.0, fine-tuned with active learning by run `{cell.run}`: arm "
        f"{markdown_text(cell.label)}, round {cell.round}, fold {cell.fold}, seed {cell.seed}. Of "
        f"the run's models this one was chosen for a reason that no test clip has a part in: "
        f"{chosen.reason}."
        + " (Validation clips differ from fold to fold, so a fold with easy ones is preferred; "
        "they are not what the scores below are measured on.)" * (not clips.empty),
        _warning(config, cell.dataset),
        "## Limits",
        _LIMITS,
        "## Use",
        _USE,
        "## How good it is",
        *_quality(chosen, material, clips, classes),
        "## Calibration",
        *_calibration(material),
        "## Data",
        *_data(config, cell.dataset, corpora, material),
        "## Licences",
        *_licences(config, cell.backbone, corpora),
        "## How it was made",
        *_made(config, cell, material),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_USE = """\
16 kHz, one channel:

    from transformers import pipeline
    classify = pipeline("audio-classification", model="this folder")
    classify({"raw": samples, "sampling_rate": 16000})    # samples: a float array in [-1, 1]

One clip at a time: in a padded batch this class of transformers lets the padding change what it
says. Files of any rate and length, in windows, safely batched, with after_ser:

    python -m after_ser predict --model "this folder" recordings/ --out emotions.csv"""


def _header(config: Mapping[str, Any], chosen: Chosen, material: Material) -> str:
    header: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "audio-classification",
        "tags": ["wav2vec2", "speech-emotion-recognition", "active-learning"],
    }
    hub = config["backbones"][chosen.cell.backbone].get("hub")
    if hub:
        header["base_model"] = str(hub)
    languages = sorted(set(material.manifest.get("language", pd.Series(dtype=str))))
    known = [one for one in languages if re.fullmatch("[a-z]{2,3}", one)]
    if known:
        header["language"] = known
    # no `license`: what the weights and all corpora allow together is for a person to say
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---"


def _warning(config: Mapping[str, Any], dataset: str) -> str:
    notes = [provenance.synthetic_note(config, dataset), config.get("note")]
    return "\n".join(f"> {markdown_text(str(note))}" for note in notes if note)


def _quality(
    chosen: Chosen, material: Material, clips: pd.DataFrame, classes: list[str]
) -> Iterable[str]:
    cell = chosen.cell
    if clips.empty:
        yield from _on_val(chosen, material, classes)
        return
    yield (
        "UA is the mean recall of the classes, WA the share of clips that are right, in percent, "
        "on test clips of speakers that the respective model was not trained on. Seeds are "
        "averaged."
    )
    folds = scores.by_fold(clips, classes)
    yield _folds(folds, cell)
    yield _INTERVALS
    yield from _over_folds(chosen, material, classes, folds)
    own = clips[(clips["fold"] == cell.fold) & (clips["seed"] == cell.seed)]
    if not own.empty:
        test = material.metrics["test"]
        yield (
            f"This very model: UA {100 * test['ua']:.1f}, WA {100 * test['wa']:.1f}, macro-F1 "
            f"{100 * test['macro_f1']:.1f} on {test['n']} test clips."
        )
    yield from _groups(clips, classes, "test")
    if not own.empty:
        yield "Confusion of this model (rows: true class, columns: what it said, clips):"
        yield _confusion(scores.confusion(own, classes), classes)
    if len(chosen.peers) > 1:
        yield "All folds and seeds added up (a clip counts once per seed):"
        yield _confusion(scores.confusion(clips, classes), classes)


_INTERVALS = (
    "The intervals come from drawing a fold's clips again: other clips of the same speakers. "
    "They say nothing about other speakers, and where all are right, or all wrong, they have no "
    "width."
)


def _on_val(chosen: Chosen, material: Material, classes: list[str]) -> Iterable[str]:
    """Say what is known of a model whose run had no test clips."""
    cell = chosen.cell
    yield (
        "The run has no test clips: how good the model is on new speakers is not known. **The "
        "scores below flatter.** They are of the labelled validation clips, by which early "
        "stopping chose the model's epoch. UA is the mean recall of the classes, WA the share of "
        "clips that are right, in percent."
    )
    clips = scores.scored(chosen.peers, material.manifest, classes, "val")
    train = material.fold.loc[material.fold["split"] == "train", "utt"]
    heard = set(material.manifest.loc[material.manifest["utt"].isin(train), "speaker"])
    own = clips[(clips["fold"] == cell.fold) & (clips["seed"] == cell.seed)]
    if heard & set(own["speaker"]) - {""}:
        yield "Some of these clips are of people whose other clips the model may have learnt from."
    elif "" in heard | set(own["speaker"]):
        yield "Some speakers are not known: the model may have learnt from the same people."
    else:
        yield "None of these clips is of a speaker that the model may have learnt from."
    yield _folds(scores.by_fold(clips, classes), cell)
    yield _INTERVALS
    yield from _groups(clips, classes, "validation")
    yield "Confusion of this model (rows: true class, columns: what it said, clips):"
    yield _confusion(scores.confusion(own, classes), classes)


def _folds(folds: pd.DataFrame, cell: Any) -> str:
    rows = [
        [
            f"{row.fold}{' (this model)' if row.fold == cell.fold else ''}",
            row.speakers,
            row.clips,
            row.seeds,
            _with_interval(row.ua, row.ua_low, row.ua_high),
            _with_interval(row.wa, row.wa_low, row.wa_high),
        ]
        for row in folds.itertuples()
    ]
    return _table(["fold", "speakers", "clips", "seeds", "UA [95 %]", "WA [95 %]"], rows)


def _groups(clips: pd.DataFrame, classes: list[str], split: str) -> Iterable[str]:
    kind, groups = scores.by_group(clips, classes)
    yield f"By {kind}, {split} clips of all folds, seeds averaged:"
    yield _table(
        [kind, "speakers", "clips", "UA", "WA"],
        [
            [markdown_text(row.group), row.speakers, row.clips, _percent(row.ua), _percent(row.wa)]
            for row in groups.itertuples()
        ],
    )


def _over_folds(
    chosen: Chosen, material: Material, classes: list[str], folds: pd.DataFrame
) -> Iterable[str]:
    for name in ("ua", "wa"):
        values = folds[["fold", name]].rename(columns={name: "value"}).assign(seed=0)
        found = summarise(values)
        if found["sd"] is None:
            continue
        yield (
            f"{name.upper()} over {found['n_folds']} folds: mean {_percent(found['mean'])}, 95 % t "
            f"interval of the fold means {_percent(found['ci_low'])} to "
            f"{_percent(found['ci_high'])}{'; two folds are few for one' * (len(folds) == 2)}."
        )
    if len(folds) == 1:
        yield "One fold: no interval over folds."
    speakers = dict(zip(material.manifest["utt"], material.manifest["speaker"], strict=True))
    cell = chosen.cell
    runs = {(one.fold, one.seed) for one in chosen.peers}
    if len(runs) < len({f for f, _ in runs}) * len({s for _, s in runs}):
        yield "Folds have unequal seeds so far: no interval over speakers."
        return
    counts = gather_counts(chosen.peers, speakers, classes)
    if counts[["speaker", "fold"]].drop_duplicates()["speaker"].duplicated().any():
        yield "Some speaker is tested in several folds: no interval over speakers."
        return
    found = bootstrap_ua(counts, "export", cell.dataset, cell.arm)
    if found["ci_low"] is None:
        yield f"No interval over speakers: {found['note']}."
        return
    note = f" ({found['note']})" if found["note"] else ""
    yield (
        f"UA on all folds' clips together {_percent(found['mean'])}, 95 % bootstrap interval over "
        f"{found['n_speakers']} speakers {_percent(found['ci_low'])} to "
        f"{_percent(found['ci_high'])}{note}."
    )


def _calibration(material: Material) -> Iterable[str]:
    yield (
        f"Temperature: {material.calibration.note}. It is part of the weights: the last layer is "
        "divided by it, so that the softmax of the pipeline is what is described here "
        "(`calibration_temperature` in config.json has the number). The class that is most "
        "probable does not change."
    )
    rows = [
        [name, _fraction(before), _fraction(after)]
        for name, (before, after) in material.errors.items()
    ]
    yield f"Expected calibration error of the most probable class, {BINS} bins (0 is best):"
    yield _table(["clips", "before", "after"], rows)
    yield (
        "The validation row is that of the clips the temperature was fitted to, which also chose "
        "the model's epoch: it flatters." + " The test row does not." * ("test" in material.errors)
    )


def _data(
    config: Mapping[str, Any], dataset: str, corpora: Sequence[str], material: Material
) -> Iterable[str]:
    classes = list(config["classes"])
    yield f"{markdown_text(provenance.dataset_note(config, dataset))}"
    clips = material.manifest.merge(material.fold, on="utt")
    labelled = set(material.labelled["utt"])
    rows = []
    for corpus in corpora:
        own = clips[clips["corpus"] == corpus]
        per_split = [int((own["split"] == name).sum()) for name in ("train", "val", "test")]
        used = int(own["utt"].isin(labelled).sum())
        speakers = len(set(own["speaker"]) - {""})
        hours = own["duration_s"].astype(float).sum() / 3600
        rows.append([corpus, speakers, f"{hours:.2f}", per_split[0], used, *per_split[1:]])
    yield _table(["corpus", "speakers", "hours", "train", "labelled", "val", "test"], rows)
    per_class = material.labelled["label"].value_counts()
    named = ", ".join(f"{markdown_text(name)} {int(per_class.get(name, 0))}" for name in classes)
    metrics = material.metrics
    yield (
        f"Budget: {percent(float(metrics['budget']))} of the train split. Trained on "
        f"{metrics['labelled']} labelled clips of {metrics['n_train']} ({named}); early stopping "
        f"and calibration read {metrics['val_labels']} labels of validation clips on top."
    )
    if material.said is not None:
        given, out = int(material.said["given"]), len(material.said["left_out"])
        yield (
            "The labels are people's answers, clip by clip."
            + f" {given} of them were there before anything was asked, on top of the budget."
            * (given > 0)
            + f" {out} clips were skipped or called unusable, and have none." * (out > 0)
        )


def _licences(config: Mapping[str, Any], backbone: str, corpora: Sequence[str]) -> Iterable[str]:
    rows = [[f"backbone {backbone}", markdown_text(licences.backbone_licence(config, backbone))]]
    heard = list(config["backbones"][backbone].get("pretraining", {}).get("corpora", {}))
    for corpus in dict.fromkeys([*corpora, *heard]):
        terms = licences.corpus_licence(config, corpus)
        rows.append([f"corpus {corpus}", markdown_text(terms)])
    yield _table(["what", "terms"], rows)
    yield (
        "What these allow together, for the weights in this folder, is not decided here; "
        '"unknown" means that the run does not know it, not that there are no terms.'
    )


def _made(config: Mapping[str, Any], cell: Any, material: Material) -> Iterable[str]:
    yield markdown_text(provenance.backbone_note(_without_folder(config), cell.backbone))
    origin = material.origin
    yield (
        f"Backbone weights: SHA-256 `{origin.get('sha256', 'unknown')}`, "
        f"{origin.get('parameters', 'unknown')} parameters."
    )
    settings: dict[str, Any] = {
        "arm": {key: value for key, value in config["arms"][cell.arm].items() if key != "label"},
        "budget": [one for one in config["budget"] if one <= cell.budget],
        "protocol": config["protocols"][cell.protocol],
    }
    if cell.start != "pretrained":
        # a checkpoint of the first stage is a path of some machine
        own = config["tapt"][cell.start]
        settings["tapt"] = {key: value for key, value in own.items() if key != "first_stage"}
    # indented, since no text can end an indented block
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=False, width=80)
    yield "\n".join(f"    {line}" for line in text.splitlines())
    packages = ("after-ser", "torch", "transformers", "numpy")
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    yield f"Exported with Python {platform.python_version()}, {versions}. {material.checked}"
    yield (
        "The method is that of D. Li, Y. Wang, K. Funakoshi, M. Okumura, *Active learning based "
        "fine-tuning framework for speech emotion recognition*, 2023, "
        "[arXiv:2310.00283](https://arxiv.org/abs/2310.00283); the head is transformers' "
        "Wav2Vec2ForSequenceClassification, without the paper's ReLU."
    )


def _without_folder(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the config without the paths of local checkpoints: a card may be published."""
    backbones = {
        name: one | ({"folder": "of the run's machine"} if one.get("folder") else {})
        for name, one in config["backbones"].items()
    }
    return {**config, "backbones": backbones}


def _version(package: str) -> str:
    try:
        return version(package)
    except ImportError:
        return "unknown"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _fraction(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def _with_interval(value: float, low: float, high: float) -> str:
    if math.isnan(low):
        return _percent(value)
    return f"{_percent(value)} [{_percent(low)}, {_percent(high)}]"


def _confusion(counts: np.ndarray, classes: list[str]) -> str:
    names = [markdown_text(name) for name in classes]
    rows = [[name, *row] for name, row in zip(names, counts.tolist(), strict=True)]
    return _table(["", *names], rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
