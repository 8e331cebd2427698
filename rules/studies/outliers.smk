"""Useless clips, injected into a dataset on purpose.

REQUIRES results/corpora/{corpus}/manifest.tsv
MAKES results/{run}/{split}/datasets/{dataset}/{base/manifest.tsv,manifest.tsv,injected.tsv,
      injected/}
"""

# The corpus whose clips are injected into a dataset, where there is one.
FOREIGN = {
    name: CONFIG["datasets"][name]["inject"]["foreign"]["corpus"]
    for name in INJECTED
    if "foreign" in CONFIG["datasets"][name]["inject"]
}


use rule merge_corpora as merge_own_corpora with:
    output:
        manifest=f"{paths.dataset}/base/manifest.tsv",
        dropped=f"{paths.dataset}/dropped.tsv",
    wildcard_constraints:
        dataset=one_of(INJECTED),
    conda:
        "../../envs/environment.yaml"


rule inject_outliers:
    input:
        manifest=f"{paths.dataset}/base/manifest.tsv",
        foreign=lambda w: (
            [f"{paths.corpus}/manifest.tsv".format(corpus=FOREIGN[w.dataset])]
            if w.dataset in FOREIGN
            else []
        ),
    output:
        manifest=paths.manifest,
        injected=paths.injected,
        audio=directory(f"{paths.dataset}/injected"),
    log:
        f"{paths.split_logs}/inject_outliers/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(INJECTED),
    conda:
        "../../envs/environment.yaml"
    resources:
        **REQUESTS.of("inject_outliers"),
    params:
        method_version="inject-1",
        dataset=lambda w: w.dataset,
        settings=lambda w: CONFIG["datasets"][w.dataset],
        classes=CONFIG["classes"],
        reserved=lambda w: reserved_speakers(CONFIG).get(FOREIGN.get(w.dataset), []),
    message:
        "Injecting near-duplicates and foreign clips into {wildcards.dataset}"
    script:
        "../../workflow/scripts/inject_outliers.py"
