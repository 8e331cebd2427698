"""Manifests to a labelled dataset, balanced folds, and the leakage audit.

REQUIRES results/corpora/{corpus}/{manifest,rejected}.tsv
MAKES results/{run}/{split}/datasets/{dataset}/{manifest,dropped,fold*}.tsv, audit.json
"""

from after_ser.judge.grid import dataset_splits, folds, reserved_speakers

# The corpora of each dataset, its target first, and the datasets into which clips are injected.
MEMBERS = {
    name: [one["target"], *one["extra"]] for name, one in CONFIG["datasets"].items()
}
INJECTED = [name for name, one in CONFIG["datasets"].items() if "inject" in one]

# named here, so that one that was lost is made again
TARGETS += [
    f"{paths.dataset}/audit.json".format(split=split, dataset=dataset)
    for split, dataset in dataset_splits(CONFIG)
]


rule merge_corpora:
    input:
        manifests=lambda w: expand(
            f"{paths.corpus}/manifest.tsv", corpus=MEMBERS[w.dataset]
        ),
        rejected=lambda w: expand(
            f"{paths.corpus}/rejected.tsv", corpus=MEMBERS[w.dataset]
        ),
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
        method_version="merge-2",
        corpora=lambda w: MEMBERS[w.dataset],
        layouts=lambda w: {
            c: CONFIG["corpora"][c]["layout"] for c in MEMBERS[w.dataset]
        },
        labels=lambda w: {c: CONFIG["corpora"][c]["labels"] for c in MEMBERS[w.dataset]},
        reserved=reserved_speakers(CONFIG),
        max_rejected_share=lambda w: {
            c: CONFIG["corpora"][c]["max_rejected_share"] for c in MEMBERS[w.dataset]
        },
        exact_names=lambda w: [
            c for c in MEMBERS[w.dataset] if CONFIG["corpora"][c]["exact_names"]
        ],
        classes=CONFIG["classes"],
    message:
        "Merging the corpora of {wildcards.dataset}"
    script:
        f"{workflow.basedir}/workflow/scripts/merge_corpora.py"


rule make_fold:
    input:
        manifest=paths.manifest,
        injected=lambda w: paths.injected.format(**w) if w.dataset in INJECTED else [],
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
        injected=lambda w: paths.injected.format(**w) if w.dataset in INJECTED else [],
        folds=lambda w: expand(paths.fold, fold=folds(CONFIG, w.dataset), **w),
        balance=lambda w: expand(
            f"{paths.of_fold}.balance.tsv", fold=folds(CONFIG, w.dataset), **w
        ),
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
        "Auditing the folds of {wildcards.dataset} for leaks"
    script:
        "../workflow/scripts/audit_dataset.py"
