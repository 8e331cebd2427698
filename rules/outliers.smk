"""Clips of no use, put into a dataset on purpose.

REQUIRED INPUTS: results/corpora/{corpus}/manifest.tsv
OUTPUTS: results/{run}/{split}/datasets/{dataset}/{base/manifest.tsv,manifest.tsv,injected.tsv,
         injected/}
"""


def foreign_corpus(wildcards):
    """The corpus whose clips are injected into a dataset, or None."""
    inject = CONFIG["datasets"][wildcards.dataset]["inject"]
    return inject.get("foreign", {}).get("corpus")


def foreign_manifest(wildcards):
    """The manifest of that corpus, where there is one."""
    corpus = foreign_corpus(wildcards)
    return f"{paths.corpus}/manifest.tsv".format(corpus=corpus) if corpus else []


use rule merge_corpora as merge_own_corpora with:
    output:
        manifest=f"{paths.dataset}/base/manifest.tsv",
        dropped=f"{paths.dataset}/dropped.tsv",
    wildcard_constraints:
        dataset=one_of(INJECTED),


rule inject_outliers:
    input:
        manifest=f"{paths.dataset}/base/manifest.tsv",
        foreign=foreign_manifest,
    output:
        manifest=paths.manifest,
        injected=paths.injected,
        audio=directory(f"{paths.dataset}/injected"),
    log:
        f"{paths.split_logs}/inject_outliers/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(INJECTED),
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("inject_outliers"),
    params:
        method_version="inject-1",
        dataset=lambda w: w.dataset,
        settings=lambda w: CONFIG["datasets"][w.dataset],
        classes=CONFIG["classes"],
        reserved=lambda w: reserved_speakers(CONFIG).get(foreign_corpus(w), []),
    message:
        "Putting near-duplicates and foreign clips into {wildcards.dataset}"
    script:
        "../workflow/scripts/inject_outliers.py"
