"""Task-adaptive pre-training on the train split of a fold, and the adapted model's latents.

REQUIRED INPUTS: results/{run}/backbone/{backbone}/model.safetensors,
                 results/{run}/{split}/datasets/{dataset}/{manifest,fold{fold}}.tsv
OUTPUTS: results/{run}/{split}/tapt/... and latents/... of start {start}
"""

TAPT = "{backbone}/{start}/{dataset}/fold{fold}/seed{seed}"


rule tapt:
    input:
        weights=f"results/{RUN}/backbone/{{backbone}}/model.safetensors",
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
        fold=f"results/{RUN}/{{split}}/datasets/{{dataset}}/fold{{fold}}.tsv",
    output:
        config=f"results/{RUN}/{{split}}/tapt/{TAPT}/config.json",
        weights=f"results/{RUN}/{{split}}/tapt/{TAPT}/model.safetensors",
        preprocessor=f"results/{RUN}/{{split}}/tapt/{TAPT}/preprocessor_config.json",
        log=f"results/{RUN}/{{split}}/tapt/{TAPT}/log.tsv",
        timing=f"results/{RUN}/{{split}}/tapt/{TAPT}/timing.json",
        summary=f"results/{RUN}/{{split}}/tapt/{TAPT}/summary.json",
    log:
        f"results/{RUN}/{{split}}/log/tapt/{TAPT}.log",
    wildcard_constraints:
        start=one_of(tapt_starts(pseudo_labelled=False)),
    conda:
        "../envs/environment.yaml"
    threads: REQUESTS.cpus("tapt")
    resources:
        **REQUESTS.of("tapt"),
        accumulation=lambda w: CONFIG["tapt"][w.start]["accumulation"],  # no param: another one makes no result old
    params:
        method_version=METHODS["tapt"],
        settings=tapt_settings,
        dataset=lambda w: w.dataset,
        fold=lambda w: int(w.fold),
        seed=lambda w: int(w.seed),
        device=CONFIG["device"],
        threads=CONFIG["threads"],
        state=f"results/{RUN}/{{split}}/state/tapt/{TAPT}",
    message:
        "TAPT ({wildcards.start}) on {wildcards.dataset}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/tapt.py"


rule tapt_latents:
    input:
        weights=f"results/{RUN}/{{split}}/tapt/{TAPT}/model.safetensors",
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
    output:
        latents=f"results/{RUN}/{{split}}/latents/{TAPT}/latents.npy",
        index=f"results/{RUN}/{{split}}/latents/{TAPT}/index.tsv",
        means=f"results/{RUN}/{{split}}/latents/{TAPT}/means.npy",
        timing=f"results/{RUN}/{{split}}/latents/{TAPT}/timing.json",
    log:
        f"results/{RUN}/{{split}}/log/latents/{TAPT}.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("tapt_latents"),
    params:
        **PRECISION,
        method_version=METHODS["tapt latents"],
        device=CONFIG["device"],
        threads=CONFIG["threads"],
    message:
        "Frozen CNN outputs after TAPT, {wildcards.dataset}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/extract_latents.py"


rule tapt_surprisal:
    input:
        weights=f"results/{RUN}/{{split}}/tapt/{TAPT}/model.safetensors",
        latents=f"results/{RUN}/{{split}}/latents/{TAPT}/latents.npy",
    output:
        surprisal=f"results/{RUN}/{{split}}/latents/{TAPT}/surprisal.npy",
        timing=f"results/{RUN}/{{split}}/latents/{TAPT}/surprisal_timing.json",
    log:
        f"results/{RUN}/{{split}}/log/surprisal/{TAPT}.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("tapt_surprisal"),
    params:
        method_version="tapt-surprisal-1",
        options=surprisal_options(),
        device=CONFIG["device"],
        threads=CONFIG["threads"],
    message:
        "What TAPT's model is surprised by in {wildcards.dataset}, fold {wildcards.fold} (ALPs)"
    script:
        "../workflow/scripts/extract_surprisal.py"
