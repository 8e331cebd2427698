"""P-TAPT: emotion states of frames, their clusters, and masked prediction of the clusters.

REQUIRED INPUTS: results/{run}/backbone/{backbone}/model.safetensors,
                 results/{run}/{split}/datasets/{dataset}/{manifest,fold{fold}}.tsv
OUTPUTS: results/{run}/{split}/ptapt/{start}/..., and tapt/... as of any other start

The first two steps know no backbone, so all backbones share them. They read the labels of the
fold's train split, every one, and of nothing else.
"""

STATES = "{start}/{dataset}/fold{fold}/seed{seed}"


rule ptapt_states:
    input:
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
        fold=f"results/{RUN}/{{split}}/datasets/{{dataset}}/fold{{fold}}.tsv",
    output:
        weights=f"results/{RUN}/{{split}}/ptapt/{STATES}/states.safetensors",
        described=f"results/{RUN}/{{split}}/ptapt/{STATES}/states.json",
        history=f"results/{RUN}/{{split}}/ptapt/{STATES}/history.tsv",
        timing=f"results/{RUN}/{{split}}/ptapt/{STATES}/timing.json",
    log:
        f"results/{RUN}/{{split}}/log/ptapt_states/{STATES}.log",
    wildcard_constraints:
        start=one_of(tapt_starts(pseudo_labelled=True)),
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("ptapt_states"),
    params:
        method_version="ptapt-states-1",
        settings=states_settings,
        classes=CONFIG["classes"],
        dataset=lambda w: w.dataset,
        fold=lambda w: int(w.fold),
        seed=lambda w: int(w.seed),
        device=CONFIG["device"],
        threads=CONFIG["threads"],
        state=f"results/{RUN}/{{split}}/state/ptapt_states/{STATES}",
    message:
        "Emotion states ({wildcards.start}) on {wildcards.dataset}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/ptapt_states.py"


rule ptapt_clusters:
    input:
        weights=f"results/{RUN}/{{split}}/ptapt/{STATES}/states.safetensors",
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
        fold=f"results/{RUN}/{{split}}/datasets/{{dataset}}/fold{{fold}}.tsv",
    output:
        clusters=f"results/{RUN}/{{split}}/ptapt/{STATES}/clusters.npy",
        index=f"results/{RUN}/{{split}}/ptapt/{STATES}/index.tsv",
        described=f"results/{RUN}/{{split}}/ptapt/{STATES}/clusters.json",
        timing=f"results/{RUN}/{{split}}/ptapt/{STATES}/clusters_timing.json",
    log:
        f"results/{RUN}/{{split}}/log/ptapt_clusters/{STATES}.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("ptapt_clusters"),
    params:
        method_version="ptapt-clusters-1",
        clusters=lambda w: CONFIG["tapt"][w.start]["first_stage"]["clusters"],
        iterations=lambda w: CONFIG["tapt"][w.start]["first_stage"]["iterations"],
        dataset=lambda w: w.dataset,
        fold=lambda w: int(w.fold),
        seed=lambda w: int(w.seed),
        device=CONFIG["device"],
        threads=CONFIG["threads"],
    message:
        "Clusters of emotion states ({wildcards.start}), {wildcards.dataset}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/ptapt_clusters.py"


use rule tapt as ptapt with:
    input:
        weights=f"results/{RUN}/backbone/{{backbone}}/model.safetensors",
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
        fold=f"results/{RUN}/{{split}}/datasets/{{dataset}}/fold{{fold}}.tsv",
        clusters=f"results/{RUN}/{{split}}/ptapt/{STATES}/clusters.npy",
        described=f"results/{RUN}/{{split}}/ptapt/{STATES}/clusters.json",
    log:
        f"results/{RUN}/{{split}}/log/ptapt/{TAPT}.log",
    wildcard_constraints:
        start=one_of(tapt_starts(pseudo_labelled=True)),
    params:
        method_version="ptapt-2",
        settings=tapt_settings,
        dataset=lambda w: w.dataset,
        fold=lambda w: int(w.fold),
        seed=lambda w: int(w.seed),
        device=CONFIG["device"],
        threads=CONFIG["threads"],
        state=f"results/{RUN}/{{split}}/state/ptapt/{TAPT}",
    message:
        "P-TAPT ({wildcards.start}) on {wildcards.dataset}, fold {wildcards.fold}"


rule tapt_sessions:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        summaries=tapt_summaries,
    output:
        tsv=f"results/{RUN}/tables/{{table}}.tsv",
        md=f"results/{RUN}/tables/{{table}}.md",
        tex=f"results/{RUN}/tables/{{table}}.tex",
        html=report(
            f"results/{RUN}/tables/{{table}}.html",
            caption="../workflow/report/tapt_sessions.rst",
            category="Tables",
            labels=report_labels("V-FT, TAPT and P-TAPT by session"),
        ),
    log:
        f"results/{RUN}/log/{{table}}.log",
    wildcard_constraints:
        table=variants("tapt_sessions"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="tapt_sessions-1",
    message:
        "{wildcards.table} of {RUN}"
    script:
        "../workflow/scripts/tapt_sessions.py"
