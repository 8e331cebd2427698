"""Clips of no use, put into a dataset on purpose, and who picks them.

REQUIRED INPUTS: results/corpora/{corpus}/manifest.tsv; labelled.tsv of the arms' rounds
OUTPUTS: results/{run}/{split}/datasets/{dataset}/{base/manifest.tsv,manifest.tsv,injected.tsv,
         injected/}, results/{run}/tables/outliers.*
"""


use rule merge_corpora as merge_own_corpora with:
    output:
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/base/manifest.tsv",
        dropped=f"results/{RUN}/{{split}}/datasets/{{dataset}}/dropped.tsv",
    wildcard_constraints:
        dataset=one_of(injected_datasets()),


rule inject_outliers:
    input:
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/base/manifest.tsv",
        foreign=foreign_manifest,
    output:
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
        injected=f"results/{RUN}/{{split}}/datasets/{{dataset}}/injected.tsv",
        audio=directory(f"results/{RUN}/{{split}}/datasets/{{dataset}}/injected"),
    log:
        f"results/{RUN}/{{split}}/log/inject_outliers/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(injected_datasets()),
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("inject_outliers"),
    params:
        method_version="inject-1",
        dataset=lambda w: w.dataset,
        settings=lambda w: CONFIG["datasets"][w.dataset],
        classes=CONFIG["classes"],
        reserved=lambda w: reserved_speakers(CONFIG).get(foreign_corpus(w.dataset), []),
    message:
        "Putting near-duplicates and foreign clips into {wildcards.dataset}"
    script:
        "../workflow/scripts/inject_outliers.py"


rule outliers:
    input:
        config=f"results/{RUN}/config.yaml",
        files=outlier_files(CONFIG),
        summaries=lambda w: summaries_of("outliers"),
    output:
        tsv=f"{TABLE}/outliers.tsv",
        md=f"{TABLE}/outliers.md",
        tex=f"{TABLE}/outliers.tex",
        html=report(
            f"{TABLE}/outliers.html",
            caption="../workflow/report/outliers.rst",
            category="Tables",
            labels={"table": "Outliers among the picks"},
        ),
    log:
        f"results/{RUN}/log/outliers.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="outliers-2",
    message:
        "Outliers among the picks of {RUN}"
    script:
        "../workflow/scripts/outliers.py"
