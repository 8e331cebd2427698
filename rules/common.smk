"""The checked configuration, wildcards, and the functions that rules use for their inputs."""

import sys
from functools import cache

from snakemake.exceptions import WorkflowError

from after_ser.acquisition.registry import STRATEGIES, SURPRISAL
from after_ser.people import human_protocols, is_own
from after_ser.baselines.registry import registered
from after_ser.config import corpus_root, datasets_of, requested, resolve, shown_as
from after_ser.config_checks import check_files
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
    tapt_seed,
)
from after_ser.owners import record_owner, record_run
from after_ser.protocol import (
    fit_settings,
    labelled_fraction,
    query_settings,
    round0_protocol,
)
from after_ser.reporting.inside.plan import files_of, pages
from after_ser.runtime.environment import set_job_environment
from after_ser.starts import start_uses_labels

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
# Protocols whose oracle is a person, and the others.
HUMAN = human_protocols(CONFIG)
SIMULATED = [name for name in CONFIG["protocols"] if name not in HUMAN]
TABLES = sorted(CONFIG["tables"])
FIGURES = sorted(CONFIG["figures"])
# What a pool's scores are made with. Raise a version when its method changes: the rule and every
# later query run again.
METHODS = {
    "pretrain": "pretrain-2",
    "materialise": "materialise-1",
    "tapt": "tapt-2",
    "pretrained latents": "latents-3",
    "tapt latents": "latents-3",
    "fit": "fit-2",
    "fit of round 0": "fit0-2",
}
# What latents are kept in; left out where it is the default, so that runs from before stay valid.
PRECISION = {} if CONFIG["latents"] == "float16" else {"precision": CONFIG["latents"]}
# Strategies that the scores in pool.tsv are enough for, and those that see more of the pool.
FROM_SCORES = sorted(s for s in STRATEGIES if STRATEGIES[s].needs <= {"probs"})
FROM_FEATURES = sorted(set(STRATEGIES) - set(FROM_SCORES))
AL = f"results/{RUN}/{{split}}/al/{{protocol}}/{{backbone}}/{{start}}/{{dataset}}/fold{{fold}}"
LATENTS = f"results/{RUN}/{{split}}/latents/{{backbone}}"
ROUND = f"{AL}/{{init}}/seed{{seed}}/{{strategy}}/round{{round}}"


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
    return sorted(used & set(scratch_backbones()))


@cache
def inside_cells():
    """The cells of each page that looks inside an arm, by (dataset, arm)."""
    try:
        found = pages(CONFIG, cells(CONFIG))
    except InputError as error:
        raise WorkflowError(str(error)) from None
    # where people are asked there is a page from their first round on
    own = {
        key: [cell for cell in part if answered(cell)] for key, part in found.items()
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
    return [cell for cell in cells(CONFIG) if answered(cell)]


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
    root = f"results/{RUN}/{{split}}/baselines/{{baseline}}/{{dataset}}/features"
    return [
        f"{root}/{name}".format(**wildcards) for name in ("features.npy", "index.tsv")
    ]


def baseline_settings(wildcards):
    """The options of a baseline, defaults filled in."""
    own = CONFIG["baselines"][wildcards.baseline]
    return {key: value for key, value in own.items() if key != "method"}


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


def release(wildcards):
    """The release folder of a synthetic corpus, which has to be written first."""
    if "synthetic" in CONFIG["corpora"][wildcards.corpus]:
        return f"results/corpora/{wildcards.corpus}/release"
    return []


def release_root(wildcards):
    """The release folder of any corpus; a user's root is no input, so planning needs no data."""
    return release(wildcards) or corpus_root(CONFIG, wildcards.corpus)


def synthetic_layout(wildcards):
    """What the synthesiser writes: a corpus's layout, or speech for backbone pre-training."""
    corpus = CONFIG["corpora"][wildcards.corpus]
    return "pretraining" if corpus["synthetic"]["pretraining"] else corpus["layout"]


def members(dataset):
    """The corpora of a dataset, its target first."""
    return [
        CONFIG["datasets"][dataset]["target"],
        *CONFIG["datasets"][dataset]["extra"],
    ]


def plain_datasets():
    """The datasets into which nothing is injected."""
    return [name for name, one in CONFIG["datasets"].items() if "inject" not in one]


def injected_datasets():
    """The datasets into which clips are injected."""
    return [name for name in CONFIG["datasets"] if name not in plain_datasets()]


def foreign_corpus(dataset):
    """The corpus whose clips are injected into a dataset, or None."""
    return CONFIG["datasets"][dataset]["inject"].get("foreign", {}).get("corpus")


def foreign_manifest(wildcards):
    """The manifest of the corpus whose clips are injected, where there is one."""
    corpus = foreign_corpus(wildcards.dataset)
    return [] if corpus is None else f"results/corpora/{corpus}/manifest.tsv"


def one_of(names):
    """A regular expression for these names and nothing else."""
    return "|".join(names) or "(?!)"


def injected_list(wildcards):
    """The list of injected clips, for a dataset that has some."""
    if wildcards.dataset in plain_datasets():
        return []
    return f"results/{RUN}/{{split}}/datasets/{{dataset}}/injected.tsv".format(
        **wildcards
    )


def fitted_fold(wildcards):
    """The fold that is fitted: of people's answers, val has the clips that they labelled."""
    suffix = "answered.tsv" if wildcards.protocol in HUMAN else "tsv"
    return f"results/{RUN}/{{split}}/datasets/{{dataset}}/fold{{fold}}.{suffix}".format(
        **wildcards
    )


def fitted_manifest(wildcards):
    """The manifest that val's and test's labels are read from."""
    name = (
        "fold{fold}.answered.manifest.tsv"
        if wildcards.protocol in HUMAN
        else "manifest.tsv"
    )
    return f"results/{RUN}/{{split}}/datasets/{{dataset}}/{name}".format(
        **wildcards
    ).format(**wildcards)


def start_weights(wildcards):
    """The checkpoint that fine-tuning starts from."""
    if wildcards.start == "pretrained":
        return f"results/{RUN}/backbone/{wildcards.backbone}/model.safetensors"
    seed = tapt_seed(CONFIG, wildcards.start, int(wildcards.seed))
    return (
        f"results/{RUN}/{wildcards.split}/tapt/{wildcards.backbone}/{wildcards.start}/"
        f"{wildcards.dataset}/fold{wildcards.fold}/seed{seed}/model.safetensors"
    )


def start_latents(wildcards):
    """The frozen CNN outputs of the start checkpoint; P-TAPT leaves the CNN as it is."""
    if wildcards.start == "pretrained" or start_uses_labels(CONFIG, wildcards.start):
        return pretrained_latents_file(wildcards)
    seed = tapt_seed(CONFIG, wildcards.start, int(wildcards.seed))
    own = f"{wildcards.start}/{wildcards.dataset}/fold{wildcards.fold}/seed{seed}"
    return f"{LATENTS.format(**wildcards)}/{own}/latents.npy"


def clustering_latents(wildcards):
    """The latents K-means works on: the pre-trained model's for every start (section 3.2)."""
    return pretrained_latents_file(wildcards) if wildcards.init == "kmeans" else []


def pretrained_latents_file(wildcards):
    """The pre-trained model's latents of a dataset, shared by all folds."""
    return f"{LATENTS.format(**wildcards)}/pretrained/{wildcards.dataset}/latents.npy"
