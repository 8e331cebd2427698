"""Pre-finetuning on combinations of corpora, then few-shot fine-tuning per target speaker.

REQUIRED INPUTS: results/corpora/{corpus}/manifest.tsv, results/{run}/backbone/{backbone}/
OUTPUTS: results/{run}/fewshot/{backbone}/, results/{run}/{tables,figures}/fewshot.*
"""

from after_ser.fewshot import grid as few

STUDY = CONFIG.get("fewshot", {})
FEW = f"results/{RUN}/fewshot/{{backbone}}"
SOURCES = "[A-Za-z][A-Za-z0-9-]*([+][A-Za-z][A-Za-z0-9-]*)*"
TARGET = STUDY.get("target", {"corpus": "(?!)", "speakers": []})
SHOWN = few.is_wanted(CONFIG)


rule fewshot_latents:
    input:
        weights=f"results/{RUN}/backbone/{{backbone}}/model.safetensors",
        manifest="results/corpora/{corpus}/manifest.tsv",
    output:
        latents=f"{FEW}/latents/{{corpus}}/latents.npy",
        index=f"{FEW}/latents/{{corpus}}/index.tsv",
        means=f"{FEW}/latents/{{corpus}}/means.npy",
        timing=f"{FEW}/latents/{{corpus}}/timing.json",
    log:
        f"results/{RUN}/log/fewshot/{{backbone}}/latents/{{corpus}}.log",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fewshot_latents"),
    params:
        method_version="fewshot_latents-2",
        corpus=lambda w: w.corpus,
        selections=lambda w: few.selections(CONFIG, w.corpus),
        longest_s=STUDY.get("longest_s"),
        device=CONFIG["device"],
        threads=CONFIG["threads"],
    message:
        "Frozen CNN outputs of {wildcards.backbone} on {wildcards.corpus}, for few-shot"
    script:
        "../workflow/scripts/fewshot_latents.py"


rule fewshot_draws:
    input:
        manifest=f"results/corpora/{TARGET['corpus']}/manifest.tsv",
    output:
        draws=f"{FEW}/draws.tsv",
        left_out=f"{FEW}/left_out.tsv",
    log:
        f"results/{RUN}/log/fewshot/{{backbone}}/draws.log",
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
        weights=f"results/{RUN}/backbone/{{backbone}}/model.safetensors",
        target=f"results/corpora/{TARGET['corpus']}/manifest.tsv",
        manifests=lambda w: [
            f"results/corpora/{c}/manifest.tsv" for c in w.sources.split(few.JOINT)
        ],
        latents=lambda w: [
            f"{FEW}/latents/{c}/latents.npy".format(**w)
            for c in w.sources.split(few.JOINT)
        ],
    output:
        config=f"{FEW}/prefinetuned/{{sources}}/config.json",
        weights=f"{FEW}/prefinetuned/{{sources}}/model.safetensors",
        preprocessor=f"{FEW}/prefinetuned/{{sources}}/preprocessor_config.json",
        heads=f"{FEW}/prefinetuned/{{sources}}/heads.safetensors",
        log=f"{FEW}/prefinetuned/{{sources}}/log.tsv",
        summary=f"{FEW}/prefinetuned/{{sources}}/summary.json",
        timing=f"{FEW}/prefinetuned/{{sources}}/timing.json",
    log:
        f"results/{RUN}/log/fewshot/{{backbone}}/prefinetune/{{sources}}.log",
    wildcard_constraints:
        sources=SOURCES,
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fewshot_prefinetune"),
    params:
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
        device=CONFIG["device"],
        threads=CONFIG["threads"],
        state=f"results/{RUN}/state/fewshot/{{backbone}}/{{sources}}",
    message:
        "Pre-finetuning {wildcards.backbone} on {wildcards.sources}"
    script:
        "../workflow/scripts/fewshot_prefinetune.py"


rule fewshot_adapt:
    input:
        weights=lambda w: f"{few.start_folder(CONFIG, w.sources)}/model.safetensors",
        draws=f"{FEW}/draws.tsv",
        latents=f"{FEW}/latents/{TARGET['corpus']}/latents.npy",
    output:
        scores=f"{FEW}/scores/{{sources}}/{{speaker}}.tsv",
        timing=f"{FEW}/scores/{{sources}}/{{speaker}}.timing.json",
    log:
        f"results/{RUN}/log/fewshot/{{backbone}}/adapt/{{sources}}/{{speaker}}.log",
    wildcard_constraints:
        sources=SOURCES,
        speaker="[A-Za-z0-9_-]+",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("fewshot_adapt"),
    params:
        method_version="fewshot_adapt-2",
        start=lambda w: w.sources,
        n_sources=lambda w: len(few.starts(CONFIG)[w.sources]),
        speaker=lambda w: w.speaker,
        corpus=TARGET["corpus"],
        k=STUDY.get("k"),
        settings=STUDY.get("adapt"),
        seed=STUDY.get("seed"),
        device=CONFIG["device"],
        threads=CONFIG["threads"],
    message:
        "Few-shot fine-tuning to speaker {wildcards.speaker} from {wildcards.sources}"
    script:
        "../workflow/scripts/fewshot_adapt.py"


rule fewshot_table:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=list(few.score_files(CONFIG).values()) if SHOWN else [],
        left_out=few.left_out_file(CONFIG),
        summaries=list(few.summary_files(CONFIG).values()) if SHOWN else [],
    output:
        tsv=f"{TABLE}/fewshot.tsv",
        md=f"{TABLE}/fewshot.md",
        tex=f"{TABLE}/fewshot.tex",
        html=report(
            f"{TABLE}/fewshot.html",
            caption="../workflow/report/fewshot.rst",
            category="Tables",
            labels={"table": "Few-shot"},
        ),
    log:
        f"results/{RUN}/log/fewshot_table.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="fewshot_table-1",
    message:
        "Few-shot table of {RUN}"
    script:
        "../workflow/scripts/fewshot_table.py"


rule fewshot_figure:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=list(few.score_files(CONFIG).values()) if SHOWN else [],
    output:
        svg=f"{FIGURE}/fewshot.svg",
        png=report(
            f"{FIGURE}/fewshot.png",
            caption="../workflow/report/fewshot.rst",
            category="Figures",
            labels={"figure": "Few-shot", "format": "png"},
        ),
        html=report(
            f"{FIGURE}/fewshot.html",
            caption="../workflow/report/fewshot.rst",
            category="Figures",
            labels={"figure": "Few-shot", "format": "interactive"},
        ),
        tsv=f"{FIGURE}/fewshot.tsv",
    log:
        f"results/{RUN}/log/fewshot_figure.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="fewshot_figure-1",
    message:
        "Few-shot figure of {RUN}"
    script:
        "../workflow/scripts/fewshot_figure.py"
