"""The pre-trained backbone (from the hub, a folder, or trained here) and its latents.

REQUIRES for a scratch backbone, results/corpora/{corpus}/manifest.tsv of its own corpora
MAKES results/{run}/backbone/{backbone}/ (a Hugging Face checkpoint folder),
      results/{run}/{split}/latents/{backbone}/pretrained/{dataset}/
"""

from after_ser.core.paths import CHECKPOINT, LATENTS

# How each backbone trained here is pre-trained, and on which speech.
PRETRAINING = {
    name: backbone["pretraining"]
    for name, backbone in CONFIG["backbones"].items()
    if "scratch" in backbone
}


rule pretrain_backbone:
    input:
        manifests=lambda w: expand(
            f"{paths.corpus}/manifest.tsv", corpus=PRETRAINING[w.backbone]["corpora"]
        ),
    output:
        **files_in(paths.backbone, CHECKPOINT),
        origin=f"{paths.backbone}/origin.json",
        log=f"{paths.backbone}/log.tsv",
        validation=f"{paths.backbone}/validation.tsv",
        timing=f"{paths.backbone}/timing.json",
        summary=f"{paths.backbone}/summary.json",
    log:
        f"{paths.logs}/pretrain_backbone/{{backbone}}.log",
    wildcard_constraints:
        backbone=one_of(PRETRAINING),
    conda:
        "../envs/environment.yaml"
    threads: REQUESTS.cpus("pretrain_backbone")
    resources:
        **REQUESTS.of("pretrain_backbone"),
        accumulation=lambda w: PRETRAINING[w.backbone]["accumulation"],  # no param: another one makes no result old
    params:
        **ON_DEVICE,
        method_version=step_settings.METHODS["pretrain"],
        corpora=lambda w: list(PRETRAINING[w.backbone]["corpora"]),
        use=lambda w: PRETRAINING[w.backbone]["corpora"],
        arch=lambda w: CONFIG["backbones"][w.backbone]["scratch"],
        settings=lambda w: step_settings.of_pretraining(CONFIG, w.backbone),
        seed=lambda w: PRETRAINING[w.backbone]["seed"],
        state=f"{paths.state}/backbone/{{backbone}}",
    message:
        "Pre-training backbone {wildcards.backbone} from scratch"
    script:
        "../workflow/scripts/pretrain_backbone.py"


rule pretraining_figure:
    input:
        log=f"{paths.backbone}/log.tsv",
        validation=f"{paths.backbone}/validation.tsv",
        summary=f"{paths.backbone}/summary.json",
        origin=f"{paths.backbone}/origin.json",
    output:
        svg=f"{paths.figures}/pretraining/{{backbone}}.svg",
        png=report(
            f"{paths.figures}/pretraining/{{backbone}}.png",
            caption="../workflow/report/pretraining.rst",
            category="Figures",
            labels={"figure": "Pre-training of {backbone}", "format": "png"},
        ),
    log:
        f"{paths.logs}/pretraining_figure/{{backbone}}.log",
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
        **files_in(paths.backbone, CHECKPOINT),
        origin=f"{paths.backbone}/origin.json",
    log:
        f"{paths.logs}/materialise_backbone/{{backbone}}.log",
    wildcard_constraints:
        backbone=one_of(sorted(set(CONFIG["backbones"]) - set(PRETRAINING))),
    localrule: True
    conda:
        "../envs/environment.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        method_version=step_settings.METHODS["materialise"],
        backbone=lambda w: step_settings.of_backbone(CONFIG, w.backbone),
    message:
        "Fetching backbone {wildcards.backbone}"
    script:
        "../workflow/scripts/materialise_backbone.py"


rule pretrained_latents:
    input:
        weights=f"{paths.backbone}/model.safetensors",
        manifest=paths.manifest,
    output:
        **files_in(paths.pretrained_latents, LATENTS),
    log:
        f"{paths.split_logs}/latents/{{backbone}}/pretrained/{{dataset}}.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("pretrained_latents"),
    params:
        **ON_DEVICE,
        **step_settings.of_latents(CONFIG),
        method_version=step_settings.METHODS["pretrained latents"],
    message:
        "Frozen CNN outputs of {wildcards.backbone} on {wildcards.dataset}"
    script:
        "../workflow/scripts/extract_latents.py"


rule pretrained_surprisal:
    input:
        weights=f"{paths.backbone}/model.safetensors",
        latents=f"{paths.pretrained_latents}/latents.npy",
    output:
        surprisal=f"{paths.pretrained_latents}/surprisal.npy",
        timing=f"{paths.pretrained_latents}/surprisal_timing.json",
    log:
        f"{paths.split_logs}/surprisal/{{backbone}}/pretrained/{{dataset}}.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("pretrained_surprisal"),
    params:
        **ON_DEVICE,
        method_version="pretrained-surprisal-1",
        options=step_settings.of_surprisal(CONFIG),
    message:
        "Surprisal of {wildcards.backbone} on {wildcards.dataset} (for ALPs)"
    script:
        "../workflow/scripts/extract_surprisal.py"
