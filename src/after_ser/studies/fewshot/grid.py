"""Which pre-finetuned starts, target speakers and files the few-shot study has.

Light on imports: each cluster job parses the Snakefile three times.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from after_ser.core.paths import Paths

Config = dict[str, Any]
BASELINE = "baseline"  # the start that saw no source corpus
JOINT = "+"  # between the corpora of a start's name


def is_wanted(config: Config) -> bool:
    """Tell whether a table or figure shows the few-shot study; nothing is planned otherwise."""
    return "fewshot" in config["tables"] or "fewshot" in config["figures"]


def sizes(config: Config) -> list[int]:
    """Return how many source corpora are combined, ascending; one to all where none is given."""
    given = config["fewshot"].get("sizes")
    return sorted(given) if given else list(range(1, len(config["fewshot"]["sources"]) + 1))


def starts(config: Config) -> dict[str, tuple[str, ...]]:
    """Return start to its source corpora: the baseline, then every combination of each size."""
    names = sorted(config["fewshot"]["sources"])
    found: dict[str, tuple[str, ...]] = {BASELINE: ()}
    for size in sizes(config):
        found.update((JOINT.join(corpora), corpora) for corpora in combinations(names, size))
    return found


def speakers(config: Config) -> list[str]:
    """Return the target speakers."""
    return list(config["fewshot"]["target"]["speakers"])


def selections(config: Config, corpus: str) -> list[Config]:
    """Return which of a corpus's clips are heard: {speakers, labels}, as target and as source.

    None means all; a corpus can be both, with other speakers.
    """
    study = config["fewshot"]
    used = [study["target"]] if study["target"]["corpus"] == corpus else []
    used += [study["sources"][corpus]] if corpus in study["sources"] else []
    return [{key: one.get(key) for key in ("speakers", "labels")} for one in used]


def folder(config: Config) -> str:
    """Return the folder of everything but the table and the figure."""
    return Paths(config["run"]).fewshot.format(backbone=config["backbone"])


def left_out_file(config: Config) -> str:
    """Return the path of the speakers, emotions and clips that are left out, with the reason."""
    return f"{folder(config)}/left_out.tsv"


def start_folder(config: Config, start: str) -> str:
    """Return the checkpoint folder of a start."""
    if start == BASELINE:
        return Paths(config["run"]).backbone.format(backbone=config["backbone"])
    return f"{folder(config)}/prefinetuned/{start}"


def summary_files(config: Config) -> dict[str, str]:
    """Return pre-finetuned start to the path of its summary.json."""
    return {
        start: f"{start_folder(config, start)}/summary.json"
        for start in starts(config)
        if start != BASELINE
    }


def score_files(config: Config) -> dict[tuple[str, str], str]:
    """Return (start, target speaker) to the path of its scores."""
    return {
        (start, speaker): f"{folder(config)}/scores/{start}/{speaker}.tsv"
        for start in starts(config)
        for speaker in speakers(config)
    }
