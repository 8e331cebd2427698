"""Manifests to a labelled dataset, balanced folds, and the leakage audit.

REQUIRED INPUTS: results/corpora/{corpus}/manifest.tsv, rejected.tsv
OUTPUTS: results/{run}/{split}/datasets/{dataset}/{manifest,dropped,fold*}.tsv, audit.json
"""


rule merge_corpora:
    input:
        manifests=lambda w: [
            f"results/corpora/{c}/manifest.tsv" for c in members(w.dataset)
        ],
        rejected=lambda w: [
            f"results/corpora/{c}/rejected.tsv" for c in members(w.dataset)
        ],
    output:
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
        dropped=f"results/{RUN}/{{split}}/datasets/{{dataset}}/dropped.tsv",
    log:
        f"results/{RUN}/{{split}}/log/merge_corpora/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(plain_datasets()),
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("merge_corpora"),
    params:
        method_version="merge-1",
        corpora=lambda w: members(w.dataset),
        layouts=lambda w: {
            c: CONFIG["corpora"][c]["layout"] for c in members(w.dataset)
        },
        labels=lambda w: {c: CONFIG["corpora"][c]["labels"] for c in members(w.dataset)},
        reserved=reserved_speakers(CONFIG),
        max_rejected_share=lambda w: {
            c: CONFIG["corpora"][c]["max_rejected_share"] for c in members(w.dataset)
        },
        classes=CONFIG["classes"],
    message:
        "Merging the corpora of {wildcards.dataset}"
    script:
        "../workflow/scripts/merge_corpora.py"


rule make_fold:
    input:
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
        injected=injected_list,
    output:
        fold=f"results/{RUN}/{{split}}/datasets/{{dataset}}/fold{{fold}}.tsv",
        balance=f"results/{RUN}/{{split}}/datasets/{{dataset}}/fold{{fold}}.balance.tsv",
    log:
        f"results/{RUN}/{{split}}/log/make_fold/{{dataset}}/fold{{fold}}.log",
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
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
        injected=injected_list,
        folds=lambda w: [
            f"results/{RUN}/{w.split}/datasets/{w.dataset}/fold{fold}.tsv"
            for fold in folds(CONFIG, w.dataset)
        ],
        balance=lambda w: [
            f"results/{RUN}/{w.split}/datasets/{w.dataset}/fold{fold}.balance.tsv"
            for fold in folds(CONFIG, w.dataset)
        ],
    output:
        audit=report(
            f"results/{RUN}/{{split}}/datasets/{{dataset}}/audit.json",
            caption="../workflow/report/audit.rst",
            category="Data",
            subcategory="Leakage audit",
            labels={"dataset": "{dataset}"},
        ),
        composition=f"results/{RUN}/{{split}}/datasets/{{dataset}}/composition.tsv",
    log:
        f"results/{RUN}/{{split}}/log/audit_dataset/{{dataset}}.log",
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
