"""Other systems, trained on a fold's whole train split.

REQUIRES results/{run}/{split}/datasets/{dataset}/{manifest,fold{fold}}.tsv
MAKES results/{run}/{split}/baselines/..., results/{run}/{baseline_scores,baseline_times}.tsv
"""

from after_ser.studies.baselines.registry import registered

FITS = list(
    dict.fromkeys(
        path for cell in BASELINE_CELLS for path in (cell.metrics, *cell.lineage)
    )
)
TARGETS += [*FITS, paths.baseline_scores]

REGISTERED = {
    name: registered(one["method"]) for name, one in CONFIG["baselines"].items()
}


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
        "../../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("extract_features"),
    params:
        method_version=lambda w: f"features of baseline {REGISTERED[w.baseline].version}",
        method=lambda w: CONFIG["baselines"][w.baseline]["method"],
        threads=CONFIG["threads"],
    message:
        "Features of {wildcards.dataset} for {wildcards.baseline}"
    script:
        "../../workflow/scripts/extract_features.py"


rule fit_baseline:
    input:
        features=lambda w: expand(
            f"{paths.baseline_features}/{{file}}",
            file=(
                ["features.npy", "index.tsv"]
                if REGISTERED[w.baseline].extracts
                else []
            ),
            **w,
        ),
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
        "../../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fit_baseline"),
    params:
        **ON_DEVICE,
        method_version=lambda w: f"baseline {REGISTERED[w.baseline].version}",
        method=lambda w: CONFIG["baselines"][w.baseline]["method"],
        settings=lambda w: step_settings.of_baseline(CONFIG, w.baseline),
        classes=CONFIG["classes"],
    message:
        "Training {wildcards.baseline} on {wildcards.dataset}, fold {wildcards.fold}, "
        "seed {wildcards.seed}"
    script:
        "../../workflow/scripts/fit_baseline.py"


rule gather_baselines:
    input:
        files=FITS,
        config=paths.config,
    output:
        scores=paths.baseline_scores,
        times=paths.baseline_times,
    log:
        f"{paths.logs}/gather_baselines.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        method_version="gather-baselines-1",
    message:
        "Gathering the baselines' scores and times of {RUN}"
    script:
        "../../workflow/scripts/gather_baselines.py"
