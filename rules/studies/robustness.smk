"""Scores of trained models on degraded test clips.

REQUIRES a round's model, predictions and metrics, its start checkpoint, the fold's clips
MAKES robustness.tsv in the round's folder
"""


rule robustness:
    input:
        model=f"{paths.seed}/{{place}}/model/model.safetensors",
        config=f"{paths.seed}/{{place}}/model/config.json",
        predictions=f"{paths.seed}/{{place}}/predictions.tsv",
        metrics=f"{paths.seed}/{{place}}/metrics.json",
        start=lambda w: f"{fit(w).start_folder}/model.safetensors",
        fold=paths.fold,
        manifest=paths.manifest,
    output:
        scores=f"{paths.seed}/{{place}}/robustness.tsv",
    log:
        f"{paths.seed}/{{place}}/log/robustness.log",
    wildcard_constraints:
        place="round0|[a-z_]+/round[0-9]+",
    conda:
        "../../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("robustness"),
    params:
        **ON_DEVICE,
        **step_settings.of_latents(CONFIG),
        method_version="robustness-2",
        conditions=CONFIG["tables"]["robustness"]["conditions"],
    message:
        "Scoring degraded test clips: {wildcards.start}, {wildcards.init}, {wildcards.place}, "
        "fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../../workflow/scripts/robustness.py"
