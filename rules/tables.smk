"""Scores of all cells, and the paper's tables beside the published numbers.

REQUIRED INPUTS: metrics.json and timing.json of every cell, composition.tsv, the config;
predictions.tsv of the cells that are compared, manifest.tsv
OUTPUTS: results/{run}/{config.yaml,scores.tsv,times.tsv}, results/{run}/tables/
"""

from after_ser.evaluation.resolved import read_config

TABLE = f"results/{RUN}/tables"


def saved_config(wildcards):
    """The configuration as it is kept with the results: as it lies there, if that says the same.

    Snakemake compares params as text, and the order of keys is no setting.
    """
    new = step_settings.saved(CONFIG)
    try:
        old = read_config(paths.config)
    except (OSError, InputError):
        return new
    return old if old == new else new


rule save_config:
    output:
        config=f"results/{RUN}/config.yaml",
    log:
        f"results/{RUN}/log/save_config.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        config=saved_config,
    message:
        "Saving the resolved configuration of {RUN}"
    script:
        "../workflow/scripts/save_config.py"


rule gather_scores:
    input:
        files=score_files,
        config=f"results/{RUN}/config.yaml",
    output:
        scores=f"results/{RUN}/scores.tsv",
        times=f"results/{RUN}/times.tsv",
    log:
        f"results/{RUN}/log/gather_scores.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="gather-1",
    message:
        "Gathering the scores and times of {RUN}"
    script:
        "../workflow/scripts/gather_scores.py"


rule table1:
    input:
        config=f"results/{RUN}/config.yaml",
        composition=table1_composition,
    output:
        tsv=f"{TABLE}/{{table}}.tsv",
        md=f"{TABLE}/{{table}}.md",
        tex=f"{TABLE}/{{table}}.tex",
        html=report(
            f"{TABLE}/{{table}}.html",
            caption="../workflow/report/table1.rst",
            category="Tables",
            labels=report_labels("1 Datasets"),
        ),
    log:
        f"results/{RUN}/log/{{table}}.log",
    wildcard_constraints:
        table=variants("table1"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="table1-1",
    message:
        "{wildcards.table} of {RUN}"
    script:
        "../workflow/scripts/table1.py"


rule table2:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        times=f"results/{RUN}/times.tsv",
        summaries=tapt_summaries,
    output:
        tsv=f"{TABLE}/{{table}}.tsv",
        time=f"{TABLE}/{{table}}_time.tsv",
        md=f"{TABLE}/{{table}}.md",
        tex=f"{TABLE}/{{table}}.tex",
        html=report(
            f"{TABLE}/{{table}}.html",
            caption="../workflow/report/table2.rst",
            category="Tables",
            labels=report_labels("2 AFTER by labelled share"),
        ),
    log:
        f"results/{RUN}/log/{{table}}.log",
    wildcard_constraints:
        table=variants("table2"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="table2-2",
    message:
        "{wildcards.table} of {RUN}"
    script:
        "../workflow/scripts/table2.py"


rule table4:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        times=f"results/{RUN}/times.tsv",
        summaries=tapt_summaries,
    output:
        tsv=f"{TABLE}/{{table}}.tsv",
        md=f"{TABLE}/{{table}}.md",
        tex=f"{TABLE}/{{table}}.tex",
        html=report(
            f"{TABLE}/{{table}}.html",
            caption="../workflow/report/table4.rst",
            category="Tables",
            labels=report_labels("4 Ablation"),
        ),
    log:
        f"results/{RUN}/log/{{table}}.log",
    wildcard_constraints:
        table=variants("table4"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="table4-3",
    message:
        "{wildcards.table} of {RUN}"
    script:
        "../workflow/scripts/table4.py"


rule comparisons:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        summaries=tapt_summaries,
        predictions=compared_predictions,
        manifest=compared_manifest,
    output:
        tsv=f"{TABLE}/{{table}}.tsv",
        md=f"{TABLE}/{{table}}.md",
        tex=f"{TABLE}/{{table}}.tex",
        html=report(
            f"{TABLE}/{{table}}.html",
            caption="../workflow/report/comparisons.rst",
            category="Tables",
            labels=report_labels("Comparisons with a reference arm"),
        ),
    log:
        f"results/{RUN}/log/{{table}}.log",
    wildcard_constraints:
        table=variants("comparisons"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="comparisons-2",
    message:
        "{wildcards.table} of {RUN}"
    script:
        "../workflow/scripts/comparisons.py"


rule learning:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        summaries=tapt_summaries,
    output:
        tsv=f"{TABLE}/{{table}}.tsv",
        md=f"{TABLE}/{{table}}.md",
        tex=f"{TABLE}/{{table}}.tex",
        html=report(
            f"{TABLE}/{{table}}.html",
            caption="../workflow/report/learning.rst",
            category="Tables",
            labels=report_labels("Learning curves"),
        ),
    log:
        f"results/{RUN}/log/{{table}}.log",
    wildcard_constraints:
        table=variants("learning"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="learning-2",
    message:
        "{wildcards.table} of {RUN}"
    script:
        "../workflow/scripts/learning.py"


rule penalty:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        summaries=tapt_summaries,
    output:
        tsv=f"{TABLE}/{{table}}.tsv",
        md=f"{TABLE}/{{table}}.md",
        tex=f"{TABLE}/{{table}}.tex",
        html=report(
            f"{TABLE}/{{table}}.html",
            caption="../workflow/report/penalty.rst",
            category="Tables",
            labels=report_labels("Pairwise penalty matrix"),
        ),
    log:
        f"results/{RUN}/log/{{table}}.log",
    wildcard_constraints:
        table=variants("penalty"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="penalty-2",
    message:
        "{wildcards.table} of {RUN}"
    script:
        "../workflow/scripts/penalty.py"


rule protocol_effect:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        queries=selection_files,
        summaries=tapt_summaries,
    output:
        tsv=f"{TABLE}/{{table}}.tsv",
        md=f"{TABLE}/{{table}}.md",
        tex=f"{TABLE}/{{table}}.tex",
        html=report(
            f"{TABLE}/{{table}}.html",
            caption="../workflow/report/protocol_effect.rst",
            category="Tables",
            labels=report_labels("Protocol effect"),
        ),
    log:
        f"results/{RUN}/log/{{table}}.log",
    wildcard_constraints:
        table=variants("protocol_effect"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="protocol_effect-2",
    message:
        "{wildcards.table} of {RUN}"
    script:
        "../workflow/scripts/protocol_effect.py"


rule tapt_ablation:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        summaries=tapt_summaries,
    output:
        tsv=f"{TABLE}/{{table}}.tsv",
        md=f"{TABLE}/{{table}}.md",
        tex=f"{TABLE}/{{table}}.tex",
        html=report(
            f"{TABLE}/{{table}}.html",
            caption="../workflow/report/tapt_ablation.rst",
            category="Tables",
            labels=report_labels("TAPT ablation"),
        ),
    log:
        f"results/{RUN}/log/{{table}}.log",
    wildcard_constraints:
        table=variants("tapt_ablation"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="tapt_ablation-2",
    message:
        "{wildcards.table} of {RUN}"
    script:
        "../workflow/scripts/tapt_ablation.py"
