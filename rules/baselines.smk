"""Other systems, trained on a fold's whole train split, and Table 3.

REQUIRED INPUTS: results/{run}/{split}/datasets/{dataset}/{manifest,fold{fold}}.tsv
OUTPUTS: results/{run}/{split}/baselines/..., results/{run}/{baseline_scores,baseline_times}.tsv,
results/{run}/tables/table3.*
"""


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


rule table3:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        baselines=f"results/{RUN}/baseline_scores.tsv",
        summaries=lambda w: summaries_of("table3"),
    output:
        tsv=f"{TABLE}/table3.tsv",
        md=f"{TABLE}/table3.md",
        tex=f"{TABLE}/table3.tex",
        html=report(
            f"{TABLE}/table3.html",
            caption="../workflow/report/table3.rst",
            category="Tables",
            labels={"table": "3 Other systems"},
        ),
    log:
        f"results/{RUN}/log/table3.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="table3-1",
    message:
        "Table 3 of {RUN}"
    script:
        "../workflow/scripts/table3.py"
