"""The pre-trained wav2vec 2.0: from the hub, a folder, or pre-trained here; and its latents.

REQUIRED INPUTS: for a scratch backbone, results/corpora/{corpus}/manifest.tsv of its own corpora
OUTPUTS: results/{run}/backbone/{backbone}/ (a Hugging Face checkpoint folder),
         results/{run}/{split}/latents/{backbone}/pretrained/{dataset}/
"""


rule pretrain_backbone:
    input:
        manifests=lambda w: [
            f"results/corpora/{c}/manifest.tsv"
            for c in pretraining(w.backbone)["corpora"]
        ],
    output:
        config=f"results/{RUN}/backbone/{{backbone}}/config.json",
        weights=f"results/{RUN}/backbone/{{backbone}}/model.safetensors",
        preprocessor=f"results/{RUN}/backbone/{{backbone}}/preprocessor_config.json",
        origin=f"results/{RUN}/backbone/{{backbone}}/origin.json",
        log=f"results/{RUN}/backbone/{{backbone}}/log.tsv",
        validation=f"results/{RUN}/backbone/{{backbone}}/validation.tsv",
        timing=f"results/{RUN}/backbone/{{backbone}}/timing.json",
        summary=f"results/{RUN}/backbone/{{backbone}}/summary.json",
    log:
        f"results/{RUN}/log/pretrain_backbone/{{backbone}}.log",
    wildcard_constraints:
        backbone=one_of(scratch_backbones()),
    conda:
        "../envs/environment.yaml"
    threads: REQUESTS.cpus("pretrain_backbone")
    resources:
        **REQUESTS.of("pretrain_backbone"),
        accumulation=lambda w: pretraining(w.backbone)["accumulation"],  # no param: another one makes no result old
    params:
        method_version=METHODS["pretrain"],
        corpora=lambda w: list(pretraining(w.backbone)["corpora"]),
        use=lambda w: pretraining(w.backbone)["corpora"],
        arch=lambda w: CONFIG["backbones"][w.backbone]["scratch"],
        settings=lambda w: {
            k: v
            for k, v in pretraining(w.backbone).items()
            if k not in ("corpora", "accumulation")
        },
        seed=lambda w: pretraining(w.backbone)["seed"],
        device=CONFIG["device"],
        threads=CONFIG["threads"],
        state=f"results/{RUN}/state/backbone/{{backbone}}",
    message:
        "Pre-training backbone {wildcards.backbone} from scratch"
    script:
        "../workflow/scripts/pretrain_backbone.py"


rule pretraining_figure:
    input:
        log=f"results/{RUN}/backbone/{{backbone}}/log.tsv",
        validation=f"results/{RUN}/backbone/{{backbone}}/validation.tsv",
        summary=f"results/{RUN}/backbone/{{backbone}}/summary.json",
        origin=f"results/{RUN}/backbone/{{backbone}}/origin.json",
    output:
        svg=f"results/{RUN}/figures/pretraining/{{backbone}}.svg",
        png=report(
            f"results/{RUN}/figures/pretraining/{{backbone}}.png",
            caption="../workflow/report/pretraining.rst",
            category="Figures",
            labels={"figure": "Pre-training of {backbone}", "format": "png"},
        ),
    log:
        f"results/{RUN}/log/pretraining_figure/{{backbone}}.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="pretraining_figure-1",
        run=RUN,
    message:
        "Figure of the pre-training of {wildcards.backbone}"
    script:
        "../workflow/scripts/pretraining_figure.py"


rule materialise_backbone:
    output:
        config=f"results/{RUN}/backbone/{{backbone}}/config.json",
        weights=f"results/{RUN}/backbone/{{backbone}}/model.safetensors",
        preprocessor=f"results/{RUN}/backbone/{{backbone}}/preprocessor_config.json",
        origin=f"results/{RUN}/backbone/{{backbone}}/origin.json",
    log:
        f"results/{RUN}/log/materialise_backbone/{{backbone}}.log",
    wildcard_constraints:
        backbone=one_of(sorted(set(CONFIG["backbones"]) - set(scratch_backbones()))),
    localrule: True
    conda:
        "../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        method_version=METHODS["materialise"],
        backbone=lambda w: backbone_settings(w.backbone),
    message:
        "Fetching backbone {wildcards.backbone}"
    script:
        "../workflow/scripts/materialise_backbone.py"


rule pretrained_latents:
    input:
        weights=f"results/{RUN}/backbone/{{backbone}}/model.safetensors",
        manifest=f"results/{RUN}/{{split}}/datasets/{{dataset}}/manifest.tsv",
    output:
        latents=f"{LATENTS}/pretrained/{{dataset}}/latents.npy",
        index=f"{LATENTS}/pretrained/{{dataset}}/index.tsv",
        means=f"{LATENTS}/pretrained/{{dataset}}/means.npy",
        timing=f"{LATENTS}/pretrained/{{dataset}}/timing.json",
    log:
        f"results/{RUN}/{{split}}/log/latents/{{backbone}}/pretrained/{{dataset}}.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("pretrained_latents"),
    params:
        **PRECISION,
        method_version=METHODS["pretrained latents"],
        device=CONFIG["device"],
        threads=CONFIG["threads"],
    message:
        "Frozen CNN outputs of {wildcards.backbone} on {wildcards.dataset}"
    script:
        "../workflow/scripts/extract_latents.py"


rule pretrained_surprisal:
    input:
        weights=f"results/{RUN}/backbone/{{backbone}}/model.safetensors",
        latents=f"{LATENTS}/pretrained/{{dataset}}/latents.npy",
    output:
        surprisal=f"{LATENTS}/pretrained/{{dataset}}/surprisal.npy",
        timing=f"{LATENTS}/pretrained/{{dataset}}/surprisal_timing.json",
    log:
        f"results/{RUN}/{{split}}/log/surprisal/{{backbone}}/pretrained/{{dataset}}.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("pretrained_surprisal"),
    params:
        method_version="pretrained-surprisal-1",
        options=surprisal_options(),
        device=CONFIG["device"],
        threads=CONFIG["threads"],
    message:
        "What {wildcards.backbone} is surprised by in {wildcards.dataset} (ALPs)"
    script:
        "../workflow/scripts/extract_surprisal.py"
