"""The config as a whole: the keys of a run, and the model of each section.

Light on imports: the Snakefile reads this.
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import StringConstraints

from after_ser.core.errors import InputError, meant
from after_ser.core.settings import (
    Count,
    Fraction,
    Many,
    Name,
    NotNegative,
    Positive,
    Set,
    Settings,
    Several,
    Whole,
    filled,
    key,
    optional,
)
from after_ser.judge.registry import SECTIONS, base_name, may_have

Config = dict[str, Any]
#: Entries of a section, each under a name of the user's.
Entries = dict[Name, dict[str, Any]]


class Run(Settings):
    """A run."""

    run: Name = key(..., "name of the run; its results go to `results/<run>/`", "demo")
    classes: Several[Name] = key(
        ["anger", "neutral", "sad", "happy"],
        "emotion classes, in the order of columns and confusion matrices",
        ["anger", "neutral"],
    )
    device: Annotated[str, StringConstraints(pattern="^(auto|cpu|cuda(:[0-9]+)?)$")] = key(
        "auto",
        "`auto` (a GPU that no other job on this machine uses, else the CPU with a notice), `cpu`, "
        "`cuda`, or one of the visible GPUs by number, in the order of nvidia-smi",
        "cuda:1",
    )
    precision: Literal["auto", "fp32", "bf16"] = key(
        "auto",
        "arithmetic of fine-tuning and of the scores after it: `fp32`, `bf16` (autocast of the "
        "transformer; head, loss and weights stay fp32), or `auto`: bf16 on GPUs that have it, "
        "fp32 on every CPU, so that results do not depend on which CPU it was. `bf16` on a device "
        "without it is refused. TAPT has a `precision` of its own",
    )
    gpus_per_job: Annotated[int, Ge(0), Le(1)] = key(
        0,
        "units of Snakemake's resource `gpu` that each training and scoring step asks for; say how "
        "many there are with `--resources gpu=…`",
    )
    gpus_per_pretraining: Count = key(
        1,
        "GPUs of one machine that share every step of a TAPT or of a backbone's pre-training, a "
        "process each ([how](running.md#several-gpus)); with `gpus_per_job: 1` such a "
        "job asks for that many GPUs and as many times the threads and memory. Where no GPU is "
        "visible, `device: auto` uses the CPU. No finished result is made again",
    )
    gpu_request: Annotated[str, StringConstraints(pattern="^(gpus|gres(:[A-Za-z0-9_.]+)?)$")] = key(
        "gpus",
        "how a cluster is asked for that GPU: `gpus` (`--gpus=1`), `gres` (`--gres=gpu:1`) or "
        "`gres:<model>`; changes no result",
        "gres:a100",
    )
    time_factor: Positive = key(
        1,
        "scales the time that every job asks a cluster for "
        "([slurm/README.md](../slurm/README.md)); changes no result",
    )
    memory_factor: Positive = key(1, "scales the memory that every job asks for, likewise")
    jobs_per_gpu: Count = key(
        1,
        "how many jobs on one machine may share a GPU; with 1 none does. Further ones wait, and "
        "say so in their log. Under a scheduler that gives a job one device nothing is dealt out "
        "here",
    )
    threads: Count = key(
        1,
        "torch threads of each step. They are fixed here, not by `--cores`, because results depend "
        "on them in the last digits",
    )
    checkpoint_minutes: NotNegative = key(
        10,
        "minutes between the checkpoints that interrupted fine-tuning continues from; 0 saves "
        "after every batch. TAPT, pre-training and pre-finetuning count steps or epochs instead. "
        "No result depends on it",
    )
    latents: Literal["float16", "float32"] = key(
        "float16",
        "what the frozen CNN's outputs are kept in: `float16`, or `float32`, which takes twice the "
        "space. Rounding to 16 bits moves probabilities by 1e-5 to 1e-4, so an exported model, "
        "which has nothing to round, gives the run's own to the last digits only with `float32`",
    )
    corpora_root: str = key(
        "",
        "folder below which relative corpus roots lie; itself relative to where `snakemake` is "
        "started; `~` is understood",
        "~/speech",
    )
    download: Set[Name] = key(
        [],
        "the corpora that `snakemake download` fetches, by their names in the file of addresses; "
        "empty is every one",
        ["emodb", "ravdess"],
    )
    downloads: str = key(
        "",
        "the file of addresses, checksums and sizes, for instance a copy of "
        "[downloads.yaml](../config/downloads.yaml) with those of a mirror; empty is that one",
        "config/mirror.yaml",
    )
    note: str = key(
        "",
        "a sentence printed above every table, e.g. what this run is not",
        "Pilot with two seeds.",
    )
    corpora: Entries = key(..., "corpora by name (below)")
    datasets: Entries = key({}, "datasets by name (below)")
    folds: Many[Count] = key(
        [1, 2, 3, 4, 5],
        "numbers of the folds that are run and averaged; a dataset with fewer folds skips the "
        "larger numbers",
    )
    seeds: Many[Whole] = key(
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        "seeds of initial sets, selection and fine-tuning; splits and balancing do not depend on "
        "them",
    )
    backbone: Name = key("wav2vec2-base", "the one of `backbones` that this run uses", "small")
    backbones: Entries = key({}, "backbones by name (below)")
    tapt: Entries = key({}, "TAPT variants by name (below)")
    protocols: Entries = key({}, "ways of fine-tuning by name (below)")
    budget: Annotated[list[Fraction], MinLen(1)] = key(
        [0.01, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0],
        "labelled fractions of the train split, increasing, one per round; the first is the "
        "initial set. Each is `floor(fraction × clips + 0.5)` clips, at least one. Append "
        "fractions to add rounds; one inserted before others renumbers the rounds after it",
    )
    initial: dict[str, Any] = key({}, "the K-means initial set (below)")
    strategies: dict[str, dict[str, Any]] = key(
        {}, "options of acquisition strategies (below)", {"alps": {"maskings": 8}}
    )
    baselines: Entries = key({}, "other systems by name (below)")
    arms: Entries = key({}, "arms by id (below)")
    inside: dict[str, Any] = key({}, "pages that look inside arms (below)")
    fewshot: dict[str, Any] = optional("the few-shot study (below)")
    tables: dict[str, dict[str, Any]] = key({}, "what is shown, and so what is run (below)")
    figures: dict[str, dict[str, Any]] = key({}, "the same for figures (below)")


#: The model of one entry of a section, and of a section that is no list of entries. They are named
#: and not imported: what a config does not have is not loaded.
ENTRIES = {
    "corpora": "after_ser.data.corpora.config:Corpus",
    "datasets": "after_ser.data.datasets.config:Dataset",
    "backbones": "after_ser.model.config:Backbone",
    "tapt": "after_ser.learn.tapt.config:Variant",
    "protocols": "after_ser.learn.finetune.config:Protocol",
    "baselines": "after_ser.studies.baselines.config:Baseline",
    "arms": "after_ser.select.config:Arm",
}
WHOLE = {
    "initial": "after_ser.select.config:Initial",
    "inside": "after_ser.studies.inside.config:Inside",
    "fewshot": "after_ser.studies.fewshot.config:Study",
}


def model(path: str) -> type[Settings]:
    """Return the model that ENTRIES or WHOLE names."""
    module, _, name = path.partition(":")
    found: type[Settings] = getattr(import_module(module), name)
    return found


def filled_run(given: Any) -> Config:
    """Return a config with every default; raises InputError for the first value that is wrong."""
    config = filled(Run, given, "")
    filled_entries(config)
    for section, path in WHOLE.items():
        if section in config:
            config[section] = filled(model(path), config[section], section)
    for section, reports in SECTIONS.items():
        for name in config[section]:
            if not may_have(section, name):
                hint = meant(name, reports, cutoff=0.5)
                raise InputError(f'config: unknown key "{name}" in {section}; {hint}')
        config[section] = {
            name: filled(reports[base_name(name)].config, item, f"{section}.{name}")
            for name, item in config[section].items()
        }
    return config


def filled_entries(config: Config) -> None:
    """Fill the defaults of every entry of the sections that a config has."""
    for section, path in ENTRIES.items():
        if config.get(section):
            config[section] = {
                name: filled(model(path), entry, f"{section}.{name}")
                for name, entry in config[section].items()
            }
