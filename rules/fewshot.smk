"""Pre-finetuning on combinations of corpora, then few-shot fine-tuning per target speaker.

REQUIRED INPUTS: results/corpora/{corpus}/manifest.tsv, results/{run}/backbone/{backbone}/
OUTPUTS: results/{run}/fewshot/{backbone}/
"""

from after_ser.fewshot import grid as few

STUDY = CONFIG.get("fewshot", {})
SOURCES = "[A-Za-z][A-Za-z0-9-]*([+][A-Za-z][A-Za-z0-9-]*)*"
TARGET = STUDY.get("target", {"corpus": "(?!)", "speakers": []})
TARGET_MANIFEST = f"{paths.corpus}/manifest.tsv".format(**TARGET)


def of_sources(template):
    """An input: a file of every corpus that a start is pre-finetuned on."""
    return lambda w: expand(
        template, corpus=w.sources.split(few.JOINT), backbone=w.get("backbone")
    )


rule fewshot_latents:
    input:
        weights=f"{paths.backbone}/model.safetensors",
        manifest=f"{paths.corpus}/manifest.tsv",
    output:
        **latents_in(f"{paths.fewshot}/latents/{{corpus}}"),
    log:
        f"{paths.logs}/fewshot/{{backbone}}/latents/{{corpus}}.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fewshot_latents"),
    params:
        **ON_DEVICE,
        method_version="fewshot_latents-2",
        corpus=lambda w: w.corpus,
        selections=lambda w: few.selections(CONFIG, w.corpus),
        longest_s=STUDY.get("longest_s"),
    message:
        "Frozen CNN outputs of {wildcards.backbone} on {wildcards.corpus}, for few-shot"
    script:
        "../workflow/scripts/fewshot_latents.py"


rule fewshot_draws:
    input:
        manifest=TARGET_MANIFEST,
    output:
        draws=f"{paths.fewshot}/draws.tsv",
        left_out=f"{paths.fewshot}/left_out.tsv",
    log:
        f"{paths.logs}/fewshot/{{backbone}}/draws.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="fewshot_draws-1",
        target=TARGET,
        k=STUDY.get("k"),
        trials=STUDY.get("trials"),
        val_clips=STUDY.get("val_clips"),
        test_clips=STUDY.get("test_clips"),
        seed=STUDY.get("seed"),
    message:
        "Drawing the few-shot tasks of {RUN}"
    script:
        "../workflow/scripts/fewshot_draws.py"


rule fewshot_prefinetune:
    input:
        weights=f"{paths.backbone}/model.safetensors",
        target=TARGET_MANIFEST,
        manifests=of_sources(f"{paths.corpus}/manifest.tsv"),
        latents=of_sources(f"{paths.fewshot}/latents/{{corpus}}/latents.npy"),
    output:
        config=f"{paths.fewshot}/prefinetuned/{{sources}}/config.json",
        weights=f"{paths.fewshot}/prefinetuned/{{sources}}/model.safetensors",
        preprocessor=f"{paths.fewshot}/prefinetuned/{{sources}}/preprocessor_config.json",
        heads=f"{paths.fewshot}/prefinetuned/{{sources}}/heads.safetensors",
        log=f"{paths.fewshot}/prefinetuned/{{sources}}/log.tsv",
        summary=f"{paths.fewshot}/prefinetuned/{{sources}}/summary.json",
        timing=f"{paths.fewshot}/prefinetuned/{{sources}}/timing.json",
    log:
        f"{paths.logs}/fewshot/{{backbone}}/prefinetune/{{sources}}.log",
    wildcard_constraints:
        sources=SOURCES,
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fewshot_prefinetune"),
    params:
        **ON_DEVICE,
        method_version="fewshot_prefinetune-2",
        corpora=lambda w: w.sources.split(few.JOINT),
        target=TARGET,
        sources=lambda w: {c: STUDY["sources"][c] for c in w.sources.split(few.JOINT)},
        layouts=lambda w: {
            c: CONFIG["corpora"][c]["layout"]
            for c in (TARGET["corpus"], *w.sources.split(few.JOINT))
        },
        val_share=STUDY.get("source_val_share"),
        settings=STUDY.get("prefinetune"),
        seed=STUDY.get("seed"),
        state=f"{paths.state}/fewshot/{{backbone}}/{{sources}}",
    message:
        "Pre-finetuning {wildcards.backbone} on {wildcards.sources}"
    script:
        "../workflow/scripts/fewshot_prefinetune.py"


rule fewshot_adapt:
    input:
        weights=lambda w: f"{few.start_folder(CONFIG, w.sources)}/model.safetensors",
        draws=f"{paths.fewshot}/draws.tsv",
        latents=f"{paths.fewshot}/latents/{TARGET['corpus']}/latents.npy",
    output:
        scores=f"{paths.fewshot}/scores/{{sources}}/{{speaker}}.tsv",
        timing=f"{paths.fewshot}/scores/{{sources}}/{{speaker}}.timing.json",
    log:
        f"{paths.logs}/fewshot/{{backbone}}/adapt/{{sources}}/{{speaker}}.log",
    wildcard_constraints:
        sources=SOURCES,
        speaker="[A-Za-z0-9_-]+",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fewshot_adapt"),
    params:
        **ON_DEVICE,
        method_version="fewshot_adapt-2",
        start=lambda w: w.sources,
        n_sources=lambda w: len(few.starts(CONFIG)[w.sources]),
        speaker=lambda w: w.speaker,
        corpus=TARGET["corpus"],
        k=STUDY.get("k"),
        settings=STUDY.get("adapt"),
        seed=STUDY.get("seed"),
    message:
        "Few-shot fine-tuning to speaker {wildcards.speaker} from {wildcards.sources}"
    script:
        "../workflow/scripts/fewshot_adapt.py"
