"""Active learning: initial set, then per round one acquisition and one fit; one-shot subsets.

REQUIRES datasets/{dataset}/*, backbone or TAPT checkpoints, latents
MAKES al/{protocol}/{backbone}/{start}/{dataset}/fold{fold}/{init}/seed{seed}/...

Rounds recurse over the small labelled-index files. Two jobs a round: `acquire` (query the pool,
let the oracle answer; `acquire_with_features` for strategies that see more than scores) and
`fit_round` (train, score val, test and pool).

A published query is frozen: scoring a pool again, e.g. because its metrics.json was lost, makes no
new query. A change of settings.json does, which has all that scores depend on besides clips and
labels. (It has to be a file: Snakemake ignores changed params of a job if one of its `ancient`
inputs comes from another job of the plan.)
"""

from functools import partial

from after_ser.core.paths import FIT_FILES
from after_ser.judge.grid import fit_at
from after_ser.select.registry import STRATEGIES

# Strategies that the scores in pool.tsv are enough for, and those that read more than that.
FROM_SCORES = sorted(name for name in STRATEGIES if not STRATEGIES[name].reads)
FROM_FEATURES = sorted(name for name in STRATEGIES if STRATEGIES[name].reads)
SIMULATED = [name for name in CONFIG["protocols"] if name not in PEOPLE.protocols]
ITERATIVE = "kmeans|random"  # the values of {init} but oneshot
# The fit that a job's wildcards name: it knows where everything is that it depends on.
fit = partial(fit_at, CONFIG)

# Inputs and params that a rule shares with the one for people's answers, or for round 0.
QUERIED = {
    "pool": lambda w: ancient(f"{fit(w).previous_folder}/pool.tsv"),
    "settings": f"{paths.start}/settings.json",
    "labelled": lambda w: f"{fit(w).previous_folder}/labelled.tsv",
    "manifest": paths.manifest,
}
# What the features of a strategy are computed from, which is frozen with the query.
SEEN = unpack(
    lambda w: {name: ancient(path) for name, path in fit(w).read_by_query.items()}
)
FITTED = {
    "fold": lambda w: fit(w).fitted_fold,
    "manifest": lambda w: fit(w).fitted_manifest,
    "latents": lambda w: f"{fit(w).latents_folder}/latents.npy",
    "start": lambda w: f"{fit(w).start_folder}/model.safetensors",
}
INITIAL = {
    "settings": lambda w: step_settings.of_initial(CONFIG, w.protocol),
    "fraction": CONFIG["budget"][0],
    "classes": CONFIG["classes"],
}
QUERY = {
    "fraction": lambda w: step_settings.queried_fraction(
        CONFIG, w.protocol, int(w.round)
    ),
    "options": lambda w: step_settings.of_strategy(CONFIG, w.strategy),
    "classes": CONFIG["classes"],
}
FIT = {
    "settings": lambda w: step_settings.of_fit(CONFIG, w.protocol),
    "fraction": lambda w: CONFIG["budget"][fit(w).round],
    "step": lambda w: [fit(w).strategy, fit(w).round],
    "classes": CONFIG["classes"],
    **ON_DEVICE,
}

# named here, so that one that was lost is made again
TARGETS += dict.fromkeys(cell.metrics for cell in EVALUATED)


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
        "Saving the settings that scores depend on: {wildcards.protocol}, {wildcards.start}"
    script:
        "../workflow/scripts/save_settings.py"


# The backbone's latents are clustered whatever the start is (section 3.2).
rule initial_set:
    input:
        fold=paths.fold,
        manifest=paths.manifest,
        latents=lambda w: (
            f"{fit(w).pretrained_latents}/latents.npy" if w.init == "kmeans" else []
        ),
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
        oracle=lambda w: CONFIG["protocols"][w.protocol]["oracle"],
    message:
        "Initial set ({wildcards.init}), fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        f"{workflow.basedir}/workflow/scripts/initial_set.py"


rule acquire:
    input:
        **QUERIED,
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
        oracle=lambda w: CONFIG["protocols"][w.protocol]["oracle"],
    message:
        "{wildcards.strategy} chooses the clips of round {wildcards.round}"
    script:
        f"{workflow.basedir}/workflow/scripts/acquire.py"


# Strategies that look at more than the pool's scores run the model of the round before, or read
# what the start model made of every clip. Everything but the clips is frozen with the query.
rule acquire_with_features:
    input:
        SEEN,
        **QUERIED,
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
        oracle=lambda w: CONFIG["protocols"][w.protocol]["oracle"],
    message:
        "{wildcards.strategy} computes features and chooses the clips of round {wildcards.round}"
    script:
        f"{workflow.basedir}/workflow/scripts/acquire.py"


# A round of an iterative arm, or one budget of a one-shot arm. What makes it old is its labelled
# set, and not that the model of the round before, which it may start from, was written again.
rule fit_round:
    input:
        **FITTED,
        labelled=f"{paths.round}/labelled.tsv",
        previous=lambda w: ancient(fit(w).warm_start_files),
    output:
        **files_in(paths.round, FIT_FILES),
    log:
        f"{paths.round}/log/fit.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fit_round"),
    params:
        **FIT,
        method_version=step_settings.METHODS["fit"],
    message:
        "Fine-tuning round {wildcards.round}: {wildcards.start}, {wildcards.init}, "
        "{wildcards.strategy}, fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../workflow/scripts/fit_round.py"


use rule fit_round as fit_round0 with:
    input:
        **FITTED,
        labelled=f"{paths.round0}/labelled.tsv",
    output:
        **files_in(paths.round0, FIT_FILES),
    log:
        f"{paths.round0}/log/fit.log",
    wildcard_constraints:
        init=ITERATIVE,
    params:
        **FIT,
        method_version=step_settings.METHODS["fit of round 0"],
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
        fraction=lambda w: CONFIG["budget"][int(w.round)],
        oracle=lambda w: CONFIG["protocols"][w.protocol]["oracle"],
        classes=CONFIG["classes"],
    message:
        "Random subset of budget {wildcards.round}, fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../workflow/scripts/oneshot_subset.py"
