"""Active learning: initial set, then per round one acquisition and one fit; one-shot subsets.

REQUIRED INPUTS: datasets/{dataset}/*, backbone or TAPT checkpoints, latents
OUTPUTS: al/{protocol}/{backbone}/{start}/{dataset}/fold{fold}/{init}/seed{seed}/...

Rounds recurse over the small labelled-index files. Two jobs a round: `acquire` (query the pool,
let the oracle answer; `acquire_with_features` for strategies that see more than scores) and
`fit_round` (train, score val, test and pool).

A published query is frozen: a pool that is scored again, e.g. since its metrics.json was lost, asks
nothing anew. What does is a change of settings.json, which holds all that scores depend on besides
clips and labels. (It has to be a file: Snakemake does not look at the params of a job that an
`ancient` input leads to from another job of the plan.)
"""

SEED = f"{AL}/{{init}}/seed{{seed}}"
SETTINGS = f"results/{RUN}/{{split}}/al/{{protocol}}/{{backbone}}/{{start}}"


rule save_settings:
    output:
        settings=f"{SETTINGS}/settings.json",
    log:
        f"{SETTINGS}/log/save_settings.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        method_version="settings-1",
        settings=scoring_settings,
    message:
        "Settings that the scores of {wildcards.protocol}, {wildcards.start} depend on"
    script:
        "../workflow/scripts/save_settings.py"


rule initial_set:
    input:
        fold=f"results/{RUN}/{{split}}/datasets/{{dataset}}/fold{{fold}}.tsv",
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
        latents=clustering_latents,
    output:
        initial=f"{SEED}/initial.tsv",
        labelled=f"{SEED}/round0/labelled.tsv",
        timing=f"{SEED}/initial_timing.json",
    log:
        f"{SEED}/log/initial_set.log",
    wildcard_constraints:
        init="kmeans|random",
        protocol=one_of(SIMULATED),
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("initial_set"),
    params:
        method_version="initial-1",
        settings=initial_settings,
        oracle=oracle_settings,
        classes=CONFIG["classes"],
        fraction=CONFIG["budget"][0],
    message:
        "Initial set ({wildcards.init}), fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../workflow/scripts/initial_set.py"


rule acquire:
    input:
        pool=lambda w: ancient(previous_round(w, "pool.tsv")),
        settings=f"{SETTINGS}/settings.json",
        labelled=lambda w: previous_round(w, "labelled.tsv"),
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
    output:
        query=f"{ROUND}/query.tsv",
        labelled=f"{ROUND}/labelled.tsv",
        timing=f"{ROUND}/query_timing.json",
    log:
        f"{ROUND}/log/acquire.log",
    wildcard_constraints:
        init="kmeans|random",
        round="[1-9][0-9]*",
        strategy="|".join(FROM_SCORES),
        protocol=one_of(SIMULATED),
    localrule: True
    conda:
        "../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        method_version="acquire-1",
        fraction=queried_fraction,
        options=strategy_options,
        oracle=oracle_settings,
        classes=CONFIG["classes"],
    message:
        "{wildcards.strategy} chooses the clips of round {wildcards.round}"
    script:
        "../workflow/scripts/acquire.py"


# Strategies that look at more than the pool's scores run the model of the round before, or read
# what the start model made of every clip. Everything but the clips is frozen with the query.
rule acquire_with_features:
    input:
        pool=lambda w: ancient(previous_round(w, "pool.tsv")),
        settings=f"{SETTINGS}/settings.json",
        labelled=lambda w: previous_round(w, "labelled.tsv"),
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
        model=model_to_query,
        latents=latents_to_query,
        cnn_latents=cnn_latents_to_query,
        surprisal=surprisal_to_query,
    output:
        query=f"{ROUND}/query.tsv",
        labelled=f"{ROUND}/labelled.tsv",
        timing=f"{ROUND}/query_timing.json",
    log:
        f"{ROUND}/log/acquire.log",
    wildcard_constraints:
        init="kmeans|random",
        round="[1-9][0-9]*",
        strategy="|".join(FROM_FEATURES),
        protocol=one_of(SIMULATED),
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("acquire_with_features"),
    params:
        method_version="acquire-features-1",
        fraction=queried_fraction,
        options=strategy_options,
        oracle=oracle_settings,
        classes=CONFIG["classes"],
        device=CONFIG["device"],
        threads=CONFIG["threads"],
    message:
        "{wildcards.strategy} looks at the pool and chooses the clips of round {wildcards.round}"
    script:
        "../workflow/scripts/acquire.py"


# A round of an iterative arm, or one budget of a one-shot arm.
rule fit_round:
    input:
        labelled=f"{ROUND}/labelled.tsv",
        fold=fitted_fold,
        manifest=fitted_manifest,
        latents=start_latents,
        start=start_weights,
        previous=previous_model,
    output:
        metrics=f"{ROUND}/metrics.json",
        predictions=f"{ROUND}/predictions.tsv",
        pool=f"{ROUND}/pool.tsv",
        history=f"{ROUND}/history.tsv",
        timing=f"{ROUND}/timing.json",
        weights=f"{ROUND}/model/model.safetensors",
        config=f"{ROUND}/model/config.json",
    log:
        f"{ROUND}/log/fit.log",
    wildcard_constraints:
        round="[0-9]+",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fit_round"),
    params:
        method_version=METHODS["fit"],
        settings=settings_of_fit,
        fraction=fraction,
        step=lambda w: [w.strategy, int(w.round)],
        classes=CONFIG["classes"],
        device=CONFIG["device"],
        threads=CONFIG["threads"],
    message:
        "Fine-tuning round {wildcards.round}: {wildcards.start}, {wildcards.init}, "
        "{wildcards.strategy}, fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../workflow/scripts/fit_round.py"


use rule fit_round as fit_round0 with:
    input:
        labelled=f"{SEED}/round0/labelled.tsv",
        fold=fitted_fold,
        manifest=fitted_manifest,
        latents=start_latents,
        start=start_weights,
    output:
        metrics=f"{SEED}/round0/metrics.json",
        predictions=f"{SEED}/round0/predictions.tsv",
        pool=f"{SEED}/round0/pool.tsv",
        history=f"{SEED}/round0/history.tsv",
        timing=f"{SEED}/round0/timing.json",
        weights=f"{SEED}/round0/model/model.safetensors",
        config=f"{SEED}/round0/model/config.json",
    log:
        f"{SEED}/round0/log/fit.log",
    wildcard_constraints:
        init="kmeans|random",
    params:
        method_version=METHODS["fit of round 0"],
        settings=settings_of_fit,
        fraction=CONFIG["budget"][0],
        step=["", 0],
        classes=CONFIG["classes"],
        device=CONFIG["device"],
        threads=CONFIG["threads"],
    message:
        "Fine-tuning round 0, shared by all strategies: {wildcards.start}, {wildcards.init}, "
        "fold {wildcards.fold}, seed {wildcards.seed}"


rule oneshot_subset:
    input:
        fold=f"results/{RUN}/{{split}}/datasets/{{dataset}}/fold{{fold}}.tsv",
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
    output:
        labelled=f"{ROUND}/labelled.tsv",
    log:
        f"{ROUND}/log/oneshot_subset.log",
    wildcard_constraints:
        init="oneshot",
    localrule: True
    conda:
        "../envs/environment.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        method_version="oneshot-1",
        fraction=fraction,
        oracle=oracle_settings,
        classes=CONFIG["classes"],
    message:
        "Random subset of budget {wildcards.round}, fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../workflow/scripts/oneshot_subset.py"
