"""Raw corpora to manifests and 16 kHz audio.

REQUIRES the releases themselves (config: corpora.<name>.root), or nothing (synthetic)
MAKES results/corpora/{corpus}/{index,manifest,rejected}.tsv and audio/
"""

from after_ser.config.resolve import corpus_root

# The release folder of each synthetic corpus, which has to be written first.
RELEASES = {
    name: f"{paths.corpus}/release".format(corpus=name)
    for name, corpus in CONFIG["corpora"].items()
    if "synthetic" in corpus
}


# Downloads the open corpora. Their folders are no rule's output, so no rule deletes them.
rule download:
    log:
        "results/corpora/download.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        names=CONFIG["download"],
        plan=CONFIG["downloads"] or f"{workflow.basedir}/config/downloads.yaml",
        config={key: CONFIG[key] for key in ("corpora_root", "corpora")},
    message:
        "Downloading the open corpora"
    script:
        "../workflow/scripts/download.py"


rule synthesise_corpus:
    output:
        root=directory(f"{paths.corpus}/release"),
    log:
        f"{paths.corpus}/log/synthesise.log",
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("synthesise_corpus"),
    params:
        method_version="synthesise-1",
        # of a corpus, or speech for backbone pre-training
        layout=lambda w: (
            "pretraining"
            if CONFIG["corpora"][w.corpus]["synthetic"]["pretraining"]
            else CONFIG["corpora"][w.corpus]["layout"]
        ),
        clips=lambda w: CONFIG["corpora"][w.corpus]["synthetic"]["clips"],
        speakers=lambda w: CONFIG["corpora"][w.corpus]["synthetic"]["speakers"],
        seed=lambda w: CONFIG["corpora"][w.corpus]["synthetic"]["seed"],
    message:
        "Synthesising speech in the release layout of {wildcards.corpus}"
    script:
        "../workflow/scripts/synthesise_corpus.py"


rule index_corpus:
    input:
        release=lambda w: RELEASES.get(w.corpus, []),
    output:
        index=f"{paths.corpus}/index.tsv",
    log:
        f"{paths.corpus}/log/index.log",
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("index_corpus"),
    params:
        method_version="index-2",
        corpus=lambda w: w.corpus,
        layout=lambda w: CONFIG["corpora"][w.corpus]["layout"],
        # a user's root is no input, so that planning needs no data
        root=lambda w: RELEASES.get(w.corpus) or corpus_root(CONFIG, w.corpus),
        options=lambda w: CONFIG["corpora"][w.corpus]["options"],
    message:
        "Reading names, labels and checksums of {wildcards.corpus}"
    script:
        "../workflow/scripts/index_corpus.py"


rule convert_corpus:
    input:
        index=f"{paths.corpus}/index.tsv",
    output:
        manifest=f"{paths.corpus}/manifest.tsv",
        rejected=report(
            f"{paths.corpus}/rejected.tsv",
            caption="../workflow/report/rejected.rst",
            category="Data",
            subcategory="Rejected clips",
            labels={"corpus": "{corpus}"},
        ),
        audio=directory(f"{paths.corpus}/audio"),
    log:
        f"{paths.corpus}/log/convert.log",
    conda:
        "../envs/environment.yaml"
    threads: 2
    resources:
        **REQUESTS.of("convert_corpus"),
    params:
        method_version="convert-2",
    message:
        "Resampling {wildcards.corpus} to 16 kHz"
    script:
        "../workflow/scripts/convert_corpus.py"
