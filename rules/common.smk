"""The checked configuration, wildcards, and the functions that rules use for their inputs."""

import sys
from functools import cache

from snakemake.exceptions import WorkflowError

from after_ser.acquisition.registry import STRATEGIES
from after_ser.people import human_protocols, is_own
from after_ser.baselines.registry import registered
from after_ser.config import corpus_root, datasets_of, requested, resolve, shown_as
from after_ser.config_checks import check_files
from after_ser import step_settings
from after_ser.core.paths import Paths
from after_ser.errors import InputError
from after_ser.grid import (
    baseline_cells,
    cells,
    cells_of,
    dataset_splits,
    folds,
    outlier_files,
    reserved_speakers,
    robustness_cells,
    fit_at,
)
from after_ser.owners import record_owner, record_run
from after_ser.protocol import labelled_fraction
from after_ser.reporting.inside.plan import files_of, pages
from after_ser.runtime.environment import set_job_environment
from after_ser.starts import start_uses_labels
from after_ser.step_settings import METHODS

try:
    check_files(workflow.configfiles)
    CONFIG = resolve(config, f"{workflow.basedir}/config/schema/config.schema.yaml")
except InputError as error:
    raise WorkflowError(str(error)) from None

set_job_environment(
    CONFIG["threads"],
    CONFIG["checkpoint_minutes"],
    CONFIG["jobs_per_gpu"],
    scheduled=workflow.remote_exec,
    gpus_per_pretraining=CONFIG["gpus_per_pretraining"],
)
if workflow.is_main_process:
    record_owner()

RUN = CONFIG["run"]
# Protocols whose oracle is a person.
HUMAN = human_protocols(CONFIG)
TABLES = sorted(CONFIG["tables"])
FIGURES = sorted(CONFIG["figures"])
paths = Paths(RUN)
# Params of every rule that computes with torch.
ON_DEVICE = {"device": CONFIG["device"], "threads": CONFIG["threads"]}


wildcard_constraints:
    run="[A-Za-z][A-Za-z0-9-]*",
    split="paper|released|own",
    corpus="[A-Za-z][A-Za-z0-9-]*",
    baseline="[A-Za-z][A-Za-z0-9-]*",
    dataset="[A-Za-z][A-Za-z0-9-]*",
    backbone="[A-Za-z][A-Za-z0-9-]*",
    protocol="[A-Za-z][A-Za-z0-9-]*",
    start="[A-Za-z][A-Za-z0-9-]*",
    init="kmeans|random|oneshot",
    strategy="[a-z_]+",
    fold="[0-9]+",
    seed="[0-9]+",
    round="[0-9]+",


def table_files():
    """Every table of the config, in all its formats, and the scores behind them."""
    formats = ["tsv", "md", "tex", "html"]
    files = [
        f"results/{RUN}/tables/{name}.{suffix}" for name in TABLES for suffix in formats
    ]
    if is_own(CONFIG):  # no test clips, hence no scores of them
        return files if scored_cells() else []
    files += [f"results/{RUN}/scores.tsv"] if scored_cells() else []
    return files + ([f"results/{RUN}/baseline_scores.tsv"] if baseline_files() else [])


def figure_files():
    """Every figure of the config, in all its formats, and a confusion matrix per arm."""
    formats = ["svg", "png", "html", "tsv"]
    files = [
        f"results/{RUN}/figures/{name}.{suffix}"
        for name in FIGURES
        for suffix in formats
    ]
    files += [
        f"results/{RUN}/figures/pretraining/{backbone}.{suffix}"
        for backbone in pretrained_here()
        for suffix in ("svg", "png")
    ]
    return files + [
        f"results/{RUN}/figures/confusion/{dataset}/{arm}.png"
        for dataset, arm in last_cells()
        if not is_own(CONFIG)
    ]


def pretrained_here():
    """The backbones that this run pre-trains: its cells', or its own where it has no tables."""
    used = {cell.backbone for cell in cells(CONFIG)}
    if not TABLES and not FIGURES:
        used = {CONFIG["backbone"]}
    return sorted(used & set(SCRATCH))


@cache
def inside_cells():
    """The cells of each page that looks inside an arm, by (dataset, arm)."""
    try:
        found = pages(CONFIG, cells(CONFIG))
    except InputError as error:
        raise WorkflowError(str(error)) from None
    # where people are asked there is a page from their first round on
    own = {
        key: [cell for cell in part if PEOPLE.answered(cell)]
        for key, part in found.items()
    }
    return {key: part for key, part in own.items() if part}


def inside_pages():
    """Every page that looks inside an arm."""
    return [
        f"results/{RUN}/inside/{dataset}/{arm}.html" for dataset, arm in inside_cells()
    ]


def inside_files(wildcards):
    """What the page of one arm is made of."""
    own = inside_cells()[wildcards.dataset, wildcards.arm]
    return files_of(own, CONFIG["inside"]["runs"])


def audit_files():
    """The audit of every dataset, for each way its folds are made."""
    return [
        f"results/{RUN}/{split}/datasets/{dataset}/audit.json"
        for split, dataset in dataset_splits(CONFIG)
    ]


def table1_composition(wildcards):
    """The counts of Table 1's dataset, for the first way its folds are made."""
    shown = CONFIG["tables"][wildcards.table]["dataset"]
    split = next(split for split, dataset in dataset_splits(CONFIG) if dataset == shown)
    return f"results/{RUN}/{split}/datasets/{shown}/composition.tsv"


@cache
def scored_cells():
    """Every evaluated cell of the config; of a run that asks people, those they have answered."""
    return [cell for cell in cells(CONFIG) if PEOPLE.answered(cell)]


@cache
def last_cells():
    """The cells of each arm's largest budget, by (dataset, arm)."""
    by_arm = {}
    for cell in scored_cells():
        by_arm.setdefault((cell.dataset, cell.arm), []).append(cell)
    return {
        key: [cell for cell in own if cell.round == max(c.round for c in own)]
        for key, own in by_arm.items()
    }


def variants(base):
    """A regular expression for the names that the config gives to one table or figure."""
    return one_of([name for name in [*TABLES, *FIGURES] if shown_as(name) == base])


def report_labels(text, **more):
    """What the report calls a table or figure, with the part of its name after the hyphen."""

    def labels(wildcards):
        kind = "table" if "table" in wildcards.keys() else "figure"
        variant = wildcards[kind].partition("-")[2]
        return {kind: f"{text} ({variant})" if variant else text, **more}

    return labels


def metrics_files():
    """The metrics.json of every cell."""
    return list({cell.metrics: None for cell in scored_cells()})


def score_files(wildcards):
    """The metrics and timing files that scores.tsv and times.tsv are made of."""
    found = {}
    for cell in scored_cells():
        found[cell.metrics] = None
        found.update((path, None) for _, path in cell.lineage)
    return list(found)


def baseline_files():
    """The metrics and timing files that baseline_scores.tsv and baseline_times.tsv are made of."""
    found = {}
    for cell in baseline_cells(CONFIG):
        found.update(dict.fromkeys((cell.metrics, *cell.lineage)))
    return list(found)


def baseline_features(wildcards):
    """The features of a dataset that a baseline's folds share, where its method extracts some."""
    if not registered(baseline_method(wildcards)).extracts:
        return []
    root = paths.baseline_features.format(**wildcards)
    return [f"{root}/features.npy", f"{root}/index.tsv"]


def baseline_method(wildcards):
    """The method of a baseline: its name, or where the user's own is."""
    return CONFIG["baselines"][wildcards.baseline]["method"]


def baseline_version(wildcards):
    """The version of a baseline's method, so that a new one runs its fits again."""
    return f"baseline {registered(baseline_method(wildcards)).version}"


def summaries_of(table):
    """The summary of every TAPT run that one table's arms start from.

    A table that names no arm, such as the claims, looks at all of its dataset.
    """
    item = CONFIG["tables"][table]
    arms = {arm for arm, _ in requested(item)}
    return list(
        {
            cell.lineage[0][1].replace("timing.json", "summary.json"): None
            for cell in scored_cells()
            if cell.start != "pretrained"
            and cell.dataset in datasets_of(item)
            and (cell.arm in arms or not arms)
        }
    )


def tapt_summaries(wildcards):
    """The TAPT runs of the table that a rule makes."""
    return summaries_of(wildcards.table)


def compared_predictions(wildcards):
    """The predictions of the cells that a table of comparisons shows, for its bootstrap."""
    item = CONFIG["tables"][wildcards.table]
    return list({cell.predictions: None for cell in cells_of(CONFIG, item)})


def compared_manifest(wildcards):
    """The clips of the dataset that is compared, in the folds of the reference arm."""
    item = CONFIG["tables"][wildcards.table]
    split = CONFIG["arms"][item["reference"]]["split"]
    return f"results/{RUN}/{split}/datasets/{item['dataset']}/manifest.tsv"


def selection_files(wildcards):
    """The pools and queries whose overlap with the true top k is shown."""
    found = cells_of(CONFIG, CONFIG["tables"][wildcards.table])
    return list({path: None for cell in found for path in cell.selection_files or ()})


def one_of(names):
    """A regular expression for these names and nothing else."""
    return "|".join(names) or "(?!)"
