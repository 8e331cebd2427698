"""Manifests to a labelled dataset, balanced folds, and the leakage audit.

REQUIRES results/corpora/{corpus}/{manifest,rejected}.tsv
MAKES results/{run}/{split}/datasets/{dataset}/{manifest,dropped,fold*}.tsv, audit.json
"""

INJECTED = [name for name, one in CONFIG["datasets"].items() if "inject" in one]


def members(wildcards):
    """The corpora of a dataset, its target first."""
    dataset = CONFIG["datasets"][wildcards.dataset]
    return [dataset["target"], *dataset["extra"]]


def of_members(key):
    """A param with what the config says of each of a dataset's corpora under `key`."""
    return lambda w: {name: CONFIG["corpora"][name][key] for name in members(w)}


def injected_list(wildcards):
    """The list of injected clips, for a dataset that has some."""
    return paths.injected.format(**wildcards) if wildcards.dataset in INJECTED else []


def every_fold(ending):
    """An input: a file of each of a dataset's folds."""
    return lambda w: expand(
        paths.of_fold + ending,
        split=w.split,
        dataset=w.dataset,
        fold=folds(CONFIG, w.dataset),
    )


rule merge_corpora:
    input:
        manifests=lambda w: expand(f"{paths.corpus}/manifest.tsv", corpus=members(w)),
        rejected=lambda w: expand(f"{paths.corpus}/rejected.tsv", corpus=members(w)),
    output:
        manifest=paths.manifest,
        dropped=f"{paths.dataset}/dropped.tsv",
    log:
        f"{paths.split_logs}/merge_corpora/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(name for name in CONFIG["datasets"] if name not in INJECTED),
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("merge_corpora"),
    params:
        method_version="merge-1",
        corpora=members,
        layouts=of_members("layout"),
        labels=of_members("labels"),
        reserved=reserved_speakers(CONFIG),
        max_rejected_share=of_members("max_rejected_share"),
        classes=CONFIG["classes"],
    message:
        "Merging the corpora of {wildcards.dataset}"
    script:
        "../workflow/scripts/merge_corpora.py"


rule make_fold:
    input:
        manifest=paths.manifest,
        injected=injected_list,
    output:
        fold=paths.fold,
        balance=f"{paths.of_fold}.balance.tsv",
    log:
        f"{paths.split_logs}/make_fold/{{dataset}}/fold{{fold}}.log",
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("make_fold"),
    params:
        method_version="fold-1",
        dataset=lambda w: w.dataset,
        target=lambda w: CONFIG["datasets"][w.dataset]["target"],
        settings=lambda w: CONFIG["datasets"][w.dataset],
        classes=CONFIG["classes"],
    message:
        "Splitting and balancing {wildcards.dataset}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/make_fold.py"


rule audit_dataset:
    input:
        manifest=paths.manifest,
        injected=injected_list,
        folds=every_fold(".tsv"),
        balance=every_fold(".balance.tsv"),
    output:
        audit=report(
            f"{paths.dataset}/audit.json",
            caption="../workflow/report/audit.rst",
            category="Data",
            subcategory="Leakage audit",
            labels={"dataset": "{dataset}"},
        ),
        composition=f"{paths.dataset}/composition.tsv",
    log:
        f"{paths.split_logs}/audit_dataset/{{dataset}}.log",
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("audit_dataset"),
    params:
        method_version="audit-1",
        folds=lambda w: folds(CONFIG, w.dataset),
        target=lambda w: CONFIG["datasets"][w.dataset]["target"],
        classes=CONFIG["classes"],
    message:
        "Proving that no clip, duplicate or test speaker of {wildcards.dataset} is on two sides"
    script:
        "../workflow/scripts/audit_dataset.py"
