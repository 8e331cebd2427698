"""Raw corpora to manifests and 16 kHz audio.

REQUIRED INPUTS: the releases themselves (config: corpora.<name>.root), or nothing (synthetic).
OUTPUTS: results/corpora/{corpus}/{index,manifest,rejected}.tsv and audio/
"""


rule synthesise_corpus:
    output:
        root=directory("results/corpora/{corpus}/release"),
    log:
        "results/corpora/{corpus}/log/synthesise.log",
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("synthesise_corpus"),
    params:
        method_version="synthesise-1",
        layout=synthetic_layout,
        clips=lambda w: CONFIG["corpora"][w.corpus]["synthetic"]["clips"],
        speakers=lambda w: CONFIG["corpora"][w.corpus]["synthetic"]["speakers"],
        seed=lambda w: CONFIG["corpora"][w.corpus]["synthetic"]["seed"],
    message:
        "Writing synthetic speech in the release layout of {wildcards.corpus}"
    script:
        "../workflow/scripts/synthesise_corpus.py"


rule index_corpus:
    input:
        release=release,
    output:
        index="results/corpora/{corpus}/index.tsv",
    log:
        "results/corpora/{corpus}/log/index.log",
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("index_corpus"),
    params:
        method_version="index-1",
        corpus=lambda w: w.corpus,
        layout=lambda w: CONFIG["corpora"][w.corpus]["layout"],
        root=release_root,
        options=lambda w: CONFIG["corpora"][w.corpus]["options"],
    message:
        "Reading names, labels and checksums of {wildcards.corpus}"
    script:
        "../workflow/scripts/index_corpus.py"


rule convert_corpus:
    input:
        index="results/corpora/{corpus}/index.tsv",
    output:
        manifest="results/corpora/{corpus}/manifest.tsv",
        rejected=report(
            "results/corpora/{corpus}/rejected.tsv",
            caption="../workflow/report/rejected.rst",
            category="Data",
            subcategory="Rejected clips",
            labels={"corpus": "{corpus}"},
        ),
        audio=directory("results/corpora/{corpus}/audio"),
    log:
        "results/corpora/{corpus}/log/convert.log",
    conda:
        "../envs/environment.yaml"
    threads: 2
    resources:
        **REQUESTS.of("convert_corpus"),
    params:
        method_version="convert-1",
    message:
        "Resampling {wildcards.corpus} to 16 kHz"
    script:
        "../workflow/scripts/convert_corpus.py"
