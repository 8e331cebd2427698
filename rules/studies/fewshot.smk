"""Pre-finetuning on combinations of corpora, then few-shot fine-tuning per target speaker.

REQUIRES results/corpora/{corpus}/manifest.tsv, results/{run}/backbone/{backbone}/
MAKES results/{run}/fewshot/{backbone}/
"""

from after_ser.studies.fewshot import grid as few

STUDY = CONFIG["fewshot"]
SOURCES = "[A-Za-z][A-Za-z0-9-]*([+][A-Za-z][A-Za-z0-9-]*)*"
TARGET = STUDY["target"]
TARGET_MANIFEST = f"{paths.corpus}/manifest.tsv".format(**TARGET)


rule fewshot_latents:
    input:
        weights=f"{paths.backbone}/model.safetensors",
        manifest=f"{paths.corpus}/manifest.tsv",
    output:
        **files_in(f"{paths.fewshot}/latents/{{corpus}}", LATENTS),
    log:
        f"{paths.logs}/fewshot/{{backbone}}/latents/{{corpus}}.log",
    conda:
        "../../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fewshot_latents"),
    params:
        **ON_DEVICE,
        method_version="fewshot_latents-2",
        corpus=lambda w: w.corpus,
        selections=lambda w: few.selections(CONFIG, w.corpus),
        longest_s=STUDY["longest_s"],
    message:
        "Frozen CNN outputs of {wildcards.backbone} on {wildcards.corpus}, for few-shot"
    script:
        "../../workflow/scripts/fewshot_latents.py"


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
        "../../envs/environment.yaml"
    params:
        method_version="fewshot_draws-1",
        target=TARGET,
        k=STUDY["k"],
        trials=STUDY["trials"],
        val_clips=STUDY["val_clips"],
        test_clips=STUDY["test_clips"],
        seed=STUDY["seed"],
    message:
        "Drawing the few-shot tasks of {RUN}"
    script:
        "../../workflow/scripts/fewshot_draws.py"


rule fewshot_prefinetune:
    input:
        weights=f"{paths.backbone}/model.safetensors",
        target=TARGET_MANIFEST,
        manifests=lambda w: expand(
            f"{paths.corpus}/manifest.tsv", corpus=w.sources.split(few.JOINT), **w
        ),
        latents=lambda w: expand(
            f"{paths.fewshot}/latents/{{corpus}}/latents.npy",
            corpus=w.sources.split(few.JOINT),
            **w,
        ),
    output:
        **files_in(f"{paths.fewshot}/prefinetuned/{{sources}}", CHECKPOINT),
        heads=f"{paths.fewshot}/prefinetuned/{{sources}}/heads.safetensors",
        log=f"{paths.fewshot}/prefinetuned/{{sources}}/log.tsv",
        summary=f"{paths.fewshot}/prefinetuned/{{sources}}/summary.json",
        timing=f"{paths.fewshot}/prefinetuned/{{sources}}/timing.json",
    log:
        f"{paths.logs}/fewshot/{{backbone}}/prefinetune/{{sources}}.log",
    wildcard_constraints:
        sources=SOURCES,
    conda:
        "../../envs/environment.yaml"
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
        val_share=STUDY["source_val_share"],
        settings=STUDY["prefinetune"],
        seed=STUDY["seed"],
        state=f"{paths.state}/fewshot/{{backbone}}/{{sources}}",
    message:
        "Pre-finetuning {wildcards.backbone} on {wildcards.sources}"
    script:
        "../../workflow/scripts/fewshot_prefinetune.py"


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
        "../../envs/environment.yaml"
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
        k=STUDY["k"],
        settings=STUDY["adapt"],
        seed=STUDY["seed"],
    message:
        "Few-shot fine-tuning to speaker {wildcards.speaker} from {wildcards.sources}"
    script:
        "../../workflow/scripts/fewshot_adapt.py"
