"""Task-adaptive pre-training on the train split of a fold, and the adapted model's latents.

REQUIRES results/{run}/backbone/{backbone}/model.safetensors,
         results/{run}/{split}/datasets/{dataset}/{manifest,fold{fold}}.tsv
MAKES results/{run}/{split}/tapt/... and latents/... of start {start}
"""

from after_ser.judge.grid import start_uses_labels

PSEUDO_LABELLED = [name for name in CONFIG["tapt"] if start_uses_labels(CONFIG, name)]
# What tells a run of TAPT from the others.
TAPT_RUN = {
    "dataset": lambda w: w.dataset,
    "fold": lambda w: int(w.fold),
    "seed": lambda w: int(w.seed),
}


rule tapt:
    input:
        weights=f"{paths.backbone}/model.safetensors",
        manifest=paths.manifest,
        fold=paths.fold,
    output:
        **files_in(paths.tapt, CHECKPOINT),
        log=f"{paths.tapt}/log.tsv",
        timing=f"{paths.tapt}/timing.json",
        summary=f"{paths.tapt}/summary.json",
    log:
        f"{paths.split_logs}/tapt/{paths.tapt_run}.log",
    wildcard_constraints:
        start=one_of(name for name in CONFIG["tapt"] if name not in PSEUDO_LABELLED),
    conda:
        "../envs/environment.yaml"
    threads: REQUESTS.cpus("tapt")
    resources:
        **REQUESTS.of("tapt"),
        accumulation=lambda w: CONFIG["tapt"][w.start]["accumulation"],  # no param: another one makes no result old
    params:
        **ON_DEVICE,
        **TAPT_RUN,
        method_version=step_settings.METHODS["tapt"],
        settings=lambda w: step_settings.of_tapt(CONFIG, w.start),
        state=f"{paths.split_state}/tapt/{paths.tapt_run}",
    message:
        "TAPT ({wildcards.start}) on {wildcards.dataset}, fold {wildcards.fold}"
    script:
        f"{workflow.basedir}/workflow/scripts/tapt.py"


use rule pretrained_latents as tapt_latents with:
    input:
        weights=f"{paths.tapt}/model.safetensors",
        manifest=paths.manifest,
    output:
        **files_in(paths.tapt_latents, LATENTS),
    log:
        f"{paths.split_logs}/latents/{paths.tapt_run}.log",
    params:
        **ON_DEVICE,
        **step_settings.of_latents(CONFIG),
        method_version=step_settings.METHODS["tapt latents"],
    message:
        "Frozen CNN outputs after TAPT on {wildcards.dataset}, fold {wildcards.fold}"


use rule pretrained_surprisal as tapt_surprisal with:
    input:
        weights=f"{paths.tapt}/model.safetensors",
        latents=f"{paths.tapt_latents}/latents.npy",
    output:
        surprisal=f"{paths.tapt_latents}/surprisal.npy",
        timing=f"{paths.tapt_latents}/surprisal_timing.json",
    log:
        f"{paths.split_logs}/surprisal/{paths.tapt_run}.log",
    params:
        **ON_DEVICE,
        method_version="tapt-surprisal-1",
        options=step_settings.of_surprisal(CONFIG),
    message:
        "Surprisal after TAPT on {wildcards.dataset}, fold {wildcards.fold} (for ALPs)"
