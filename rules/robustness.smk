"""Trained models on test clips made worse: scores, the table and the figure.

REQUIRED INPUTS: a round's model, predictions and metrics, its start checkpoint, the fold's clips
OUTPUTS: robustness.tsv in the round's folder, results/{run}/{tables,figures}/robustness.*
"""


rule robustness:
    input:
        model=f"{paths.seed}/{{place}}/model/model.safetensors",
        config=f"{paths.seed}/{{place}}/model/config.json",
        predictions=f"{paths.seed}/{{place}}/predictions.tsv",
        metrics=f"{paths.seed}/{{place}}/metrics.json",
        start=start_weights,
        fold=paths.fold,
        manifest=paths.manifest,
    output:
        scores=f"{paths.seed}/{{place}}/robustness.tsv",
    log:
        f"{paths.seed}/{{place}}/log/robustness.log",
    wildcard_constraints:
        place="round0|[a-z_]+/round[0-9]+",
    conda:
        "../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("robustness"),
    params:
        **ON_DEVICE,
        **step_settings.of_latents(CONFIG),
        method_version="robustness-2",
        conditions=CONFIG["tables"].get("robustness", {}).get("conditions", {}),
    message:
        "Test clips made worse: {wildcards.start}, {wildcards.init}, {wildcards.place}, "
        "fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../workflow/scripts/robustness.py"


rule robustness_table:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=[cell.robustness for cell in robustness_cells(CONFIG)],
        summaries=lambda w: summaries_of("robustness"),
    output:
        tsv=f"{TABLE}/robustness.tsv",
        md=f"{TABLE}/robustness.md",
        tex=f"{TABLE}/robustness.tex",
        html=report(
            f"{TABLE}/robustness.html",
            caption="../workflow/report/robustness.rst",
            category="Tables",
            labels={"table": "Robustness"},
        ),
    log:
        f"results/{RUN}/log/robustness_table.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="robustness_table-1",
    message:
        "Robustness table of {RUN}"
    script:
        "../workflow/scripts/robustness_table.py"


rule robustness_figure:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=[cell.robustness for cell in robustness_cells(CONFIG)],
    output:
        svg=f"{FIGURE}/robustness.svg",
        png=report(
            f"{FIGURE}/robustness.png",
            caption="../workflow/report/robustness.rst",
            category="Figures",
            labels={"figure": "Robustness", "format": "png"},
        ),
        html=report(
            f"{FIGURE}/robustness.html",
            caption="../workflow/report/robustness.rst",
            category="Figures",
            labels={"figure": "Robustness", "format": "interactive"},
        ),
        tsv=f"{FIGURE}/robustness.tsv",
    log:
        f"results/{RUN}/log/robustness_figure.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="robustness_figure-1",
    message:
        "Robustness figure of {RUN}"
    script:
        "../workflow/scripts/robustness_figure.py"
