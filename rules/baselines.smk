"""Other systems, trained on a fold's whole train split.

REQUIRED INPUTS: results/{run}/{split}/datasets/{dataset}/{manifest,fold{fold}}.tsv
OUTPUTS: results/{run}/{split}/baselines/..., results/{run}/{baseline_scores,baseline_times}.tsv
"""

from after_ser.baselines.registry import registered
from after_ser.grid import baseline_cells


def baseline_files():
    """The metrics and timing files that baseline_scores.tsv and baseline_times.tsv are made of."""
    found = {}
    for cell in baseline_cells(CONFIG):
        found.update(dict.fromkeys((cell.metrics, *cell.lineage)))
    return list(found)


def baseline_features(wildcards):
    """The features of a dataset that a baseline's folds share, where its method extracts some."""
    if not registered(baseline_method(wildcards)).extracts:
        return []
    root = paths.baseline_features.format(**wildcards)
    return [f"{root}/features.npy", f"{root}/index.tsv"]


def baseline_method(wildcards):
    """The method of a baseline: its name, or where the user's own is."""
    return CONFIG["baselines"][wildcards.baseline]["method"]


def baseline_version(wildcards):
    """The version of a baseline's method, so that a new one runs its fits again."""
    return f"baseline {registered(baseline_method(wildcards)).version}"


rule extract_features:
    input:
        manifest=paths.manifest,
    output:
        features=f"{paths.baseline_features}/features.npy",
        index=f"{paths.baseline_features}/index.tsv",
        timing=f"{paths.baseline_features}/timing.json",
    log:
        f"{paths.baseline_features}/log/extract.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("extract_features"),
    params:
        method_version=lambda w: f"features of {baseline_version(w)}",
        method=baseline_method,
        threads=CONFIG["threads"],
    message:
        "Features of {wildcards.dataset} for {wildcards.baseline}"
    script:
        "../workflow/scripts/extract_features.py"


rule fit_baseline:
    input:
        features=baseline_features,
        fold=paths.fold,
        manifest=paths.manifest,
    output:
        metrics=f"{paths.baseline_fit}/metrics.json",
        predictions=f"{paths.baseline_fit}/predictions.tsv",
        history=f"{paths.baseline_fit}/history.tsv",
        timing=f"{paths.baseline_fit}/timing.json",
    log:
        f"{paths.baseline_fit}/log/fit.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fit_baseline"),
    params:
        **ON_DEVICE,
        method_version=baseline_version,
        method=baseline_method,
        settings=lambda w: step_settings.of_baseline(CONFIG, w.baseline),
        classes=CONFIG["classes"],
    message:
        "Training {wildcards.baseline} on {wildcards.dataset}, fold {wildcards.fold}, "
        "seed {wildcards.seed}"
    script:
        "../workflow/scripts/fit_baseline.py"


rule gather_baselines:
    input:
        files=baseline_files(),
        config=f"results/{RUN}/config.yaml",
    output:
        scores=f"results/{RUN}/baseline_scores.tsv",
        times=f"results/{RUN}/baseline_times.tsv",
    log:
        f"results/{RUN}/log/gather_baselines.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="gather-baselines-1",
    message:
        "Gathering the baselines' scores and times of {RUN}"
    script:
        "../workflow/scripts/gather_baselines.py"
