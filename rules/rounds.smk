"""Active learning: initial set, then per round one acquisition and one fit; one-shot subsets.

REQUIRES datasets/{dataset}/*, backbone or TAPT checkpoints, latents
MAKES al/{protocol}/{backbone}/{start}/{dataset}/fold{fold}/{init}/seed{seed}/...

Rounds recurse over the small labelled-index files. Two jobs a round: `acquire` (query the pool,
let the oracle answer; `acquire_with_features` for strategies that see more than scores) and
`fit_round` (train, score val, test and pool).

A published query is frozen: a pool that is scored again, e.g. since its metrics.json was lost, asks
nothing anew. What does is a change of settings.json, which holds all that scores depend on besides
clips and labels. (It has to be a file: Snakemake does not look at the params of a job that an
`ancient` input leads to from another job of the plan.)
"""

# Strategies that the scores in pool.tsv are enough for, and those that read more than that.
FROM_SCORES = sorted(name for name in STRATEGIES if not STRATEGIES[name].reads)
FROM_FEATURES = sorted(name for name in STRATEGIES if STRATEGIES[name].reads)
SIMULATED = [name for name in CONFIG["protocols"] if name not in HUMAN]
ITERATIVE = "kmeans|random"  # the values of {init} but oneshot


def fit(wildcards):
    """The fit that a job's wildcards name: it knows where everything is that it depends on."""
    return fit_at(CONFIG, dict(wildcards.items()))


def previous_round(wildcards, name):
    """A file of the round before; round 0 is shared by all strategies (and some protocols)."""
    return f"{fit(wildcards).previous_folder}/{name}"


def previous_model(wildcards):
    """The model of the round before.

    ancient: what makes a round old is its labelled set, not a model that was written again.
    """
    files = ("model/model.safetensors", "model/config.json")
    return [ancient(previous_round(wildcards, name)) for name in files]


def model_to_warm_start(wildcards):
    """The model of the round before, where the protocol goes on from it."""
    warm = CONFIG["protocols"][wildcards.protocol]["warm_start"]
    return previous_model(wildcards) if warm and wildcards.init != "oneshot" else []


def start_weights(wildcards):
    """The checkpoint that fine-tuning starts from."""
    return f"{fit(wildcards).start_folder}/model.safetensors"


def start_latents(wildcards):
    """The frozen CNN outputs of the start checkpoint."""
    return f"{fit(wildcards).latents_folder}/latents.npy"


def backbone_latents(wildcards):
    """The pre-trained model's CNN outputs: what is clustered has no start (section 3.2)."""
    return f"{paths.pretrained_latents}/latents.npy".format(**wildcards)


def read_by_query(wildcards):
    """What the features of a strategy are computed from, by the names its registry entry uses.

    All of it is frozen with the query.
    """
    files = {
        "model": previous_model(wildcards),
        "latents": [ancient(start_latents(wildcards))],
        "cnn_latents": [ancient(backbone_latents(wildcards))],
        "surprisal": [ancient(f"{fit(wildcards).latents_folder}/surprisal.npy")],
    }
    return {name: files[name] for name in sorted(STRATEGIES[wildcards.strategy].reads)}


def fitted_fold(wildcards):
    """The fold that is fitted: of people's answers, val has the clips that they labelled."""
    answered = wildcards.protocol in HUMAN
    fold = f"{paths.of_fold}.answered.tsv" if answered else paths.fold
    return fold.format(**wildcards)


def fitted_manifest(wildcards):
    """The manifest that val's and test's labels are read from."""
    answered = wildcards.protocol in HUMAN
    manifest = f"{paths.of_fold}.answered.manifest.tsv" if answered else paths.manifest
    return manifest.format(**wildcards)


def fraction(wildcards):
    """The labelled fraction of a round; round 0's path has no wildcard for it."""
    return CONFIG["budget"][int(wildcards.get("round", 0))]


def queried_fraction(wildcards):
    """The labelled fraction that a round's query brings, which is one step more when shifted."""
    shift = CONFIG["protocols"][wildcards.protocol]["budget_shift"]
    return labelled_fraction(CONFIG["budget"], int(wildcards.round), shift)


def oracle_settings(wildcards):
    """How the simulated annotators of a protocol err, or how people's answers are counted."""
    return CONFIG["protocols"][wildcards.protocol]["oracle"]


def fit_files(folder):
    """The outputs of a fit."""
    return {
        "metrics": f"{folder}/metrics.json",
        "predictions": f"{folder}/predictions.tsv",
        "pool": f"{folder}/pool.tsv",
        "history": f"{folder}/history.tsv",
        "timing": f"{folder}/timing.json",
        "weights": f"{folder}/model/model.safetensors",
        "config": f"{folder}/model/config.json",
    }


# Params that a rule shares with the same rule for people's answers, or for round 0.
INITIAL = {
    "settings": lambda w: step_settings.of_initial(CONFIG, w.protocol),
    "fraction": CONFIG["budget"][0],
    "classes": CONFIG["classes"],
}
QUERY = {
    "fraction": queried_fraction,
    "options": lambda w: step_settings.of_strategy(CONFIG, w.strategy),
    "classes": CONFIG["classes"],
}
FIT = {
    "settings": lambda w: step_settings.of_fit(CONFIG, w.protocol),
    "fraction": fraction,
    "step": lambda w: [w.get("strategy", ""), int(w.get("round", 0))],
    "classes": CONFIG["classes"],
    **ON_DEVICE,
}


rule save_settings:
    output:
        settings=f"{paths.start}/settings.json",
    log:
        f"{paths.start}/log/save_settings.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        method_version="settings-1",
        settings=lambda w: step_settings.of_scores(
            CONFIG, w.protocol, w.backbone, w.start
        ),
    message:
        "Settings that the scores of {wildcards.protocol}, {wildcards.start} depend on"
    script:
        "../workflow/scripts/save_settings.py"


rule initial_set:
    input:
        fold=paths.fold,
        manifest=paths.manifest,
        latents=lambda w: backbone_latents(w) if w.init == "kmeans" else [],
    output:
        initial=f"{paths.seed}/initial.tsv",
        labelled=f"{paths.round0}/labelled.tsv",
        timing=f"{paths.seed}/initial_timing.json",
    log:
        f"{paths.seed}/log/initial_set.log",
    wildcard_constraints:
        init=ITERATIVE,
        protocol=one_of(SIMULATED),
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("initial_set"),
    params:
        **INITIAL,
        method_version="initial-1",
        oracle=oracle_settings,
    message:
        "Initial set ({wildcards.init}), fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../workflow/scripts/initial_set.py"


rule acquire:
    input:
        pool=lambda w: ancient(previous_round(w, "pool.tsv")),
        settings=f"{paths.start}/settings.json",
        labelled=lambda w: previous_round(w, "labelled.tsv"),
        manifest=paths.manifest,
    output:
        query=f"{paths.round}/query.tsv",
        labelled=f"{paths.round}/labelled.tsv",
        timing=f"{paths.round}/query_timing.json",
    log:
        f"{paths.round}/log/acquire.log",
    wildcard_constraints:
        init=ITERATIVE,
        round="[1-9][0-9]*",
        strategy=one_of(FROM_SCORES),
        protocol=one_of(SIMULATED),
    localrule: True
    conda:
        "../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        **QUERY,
        method_version="acquire-1",
        oracle=oracle_settings,
    message:
        "{wildcards.strategy} chooses the clips of round {wildcards.round}"
    script:
        "../workflow/scripts/acquire.py"


# Strategies that look at more than the pool's scores run the model of the round before, or read
# what the start model made of every clip. Everything but the clips is frozen with the query.
rule acquire_with_features:
    input:
        unpack(read_by_query),
        pool=lambda w: ancient(previous_round(w, "pool.tsv")),
        settings=f"{paths.start}/settings.json",
        labelled=lambda w: previous_round(w, "labelled.tsv"),
        manifest=paths.manifest,
    output:
        query=f"{paths.round}/query.tsv",
        labelled=f"{paths.round}/labelled.tsv",
        timing=f"{paths.round}/query_timing.json",
    log:
        f"{paths.round}/log/acquire.log",
    wildcard_constraints:
        init=ITERATIVE,
        round="[1-9][0-9]*",
        strategy=one_of(FROM_FEATURES),
        protocol=one_of(SIMULATED),
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("acquire_with_features"),
    params:
        **QUERY,
        **ON_DEVICE,
        method_version="acquire-features-1",
        oracle=oracle_settings,
    message:
        "{wildcards.strategy} looks at the pool and chooses the clips of round {wildcards.round}"
    script:
        "../workflow/scripts/acquire.py"


# A round of an iterative arm, or one budget of a one-shot arm.
rule fit_round:
    input:
        labelled=f"{paths.round}/labelled.tsv",
        fold=fitted_fold,
        manifest=fitted_manifest,
        latents=start_latents,
        start=start_weights,
        previous=model_to_warm_start,
    output:
        **fit_files(paths.round),
    log:
        f"{paths.round}/log/fit.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fit_round"),
    params:
        **FIT,
        method_version=METHODS["fit"],
    message:
        "Fine-tuning round {wildcards.round}: {wildcards.start}, {wildcards.init}, "
        "{wildcards.strategy}, fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../workflow/scripts/fit_round.py"


use rule fit_round as fit_round0 with:
    input:
        labelled=f"{paths.round0}/labelled.tsv",
        fold=fitted_fold,
        manifest=fitted_manifest,
        latents=start_latents,
        start=start_weights,
    output:
        **fit_files(paths.round0),
    log:
        f"{paths.round0}/log/fit.log",
    wildcard_constraints:
        init=ITERATIVE,
    params:
        **FIT,
        method_version=METHODS["fit of round 0"],
    message:
        "Fine-tuning round 0, shared by all strategies: {wildcards.start}, {wildcards.init}, "
        "fold {wildcards.fold}, seed {wildcards.seed}"


rule oneshot_subset:
    input:
        fold=paths.fold,
        manifest=paths.manifest,
    output:
        labelled=f"{paths.round}/labelled.tsv",
    log:
        f"{paths.round}/log/oneshot_subset.log",
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
