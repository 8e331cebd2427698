"""Scores of all cells, and the paper's tables beside the published numbers.

REQUIRED INPUTS: metrics.json and timing.json of every cell, composition.tsv, the config
OUTPUTS: results/{run}/{config.yaml,scores.tsv,times.tsv}, results/{run}/tables/
"""

TABLE = "results/{run}/tables"


rule save_config:
    output:
        config="results/{run}/config.yaml",
    log:
        "results/{run}/log/save_config.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        config=CONFIG,
    message:
        "Saving the resolved configuration of {wildcards.run}"
    script:
        "../workflow/scripts/save_config.py"


rule gather_scores:
    input:
        files=score_files,
        config="results/{run}/config.yaml",
    output:
        scores="results/{run}/scores.tsv",
        times="results/{run}/times.tsv",
    log:
        "results/{run}/log/gather_scores.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="gather-1",
    message:
        "Gathering the scores and times of {wildcards.run}"
    script:
        "../workflow/scripts/gather_scores.py"


rule table1:
    input:
        config="results/{run}/config.yaml",
        composition=lambda w: (
            f"results/{w.run}/{SPLIT}/datasets/"
            f"{CONFIG['tables']['table1']['dataset']}/composition.tsv"
        ),
    output:
        tsv=f"{TABLE}/table1.tsv",
        md=f"{TABLE}/table1.md",
        tex=f"{TABLE}/table1.tex",
        html=report(
            f"{TABLE}/table1.html",
            caption="../workflow/report/table1.rst",
            category="Tables",
            labels={"table": "1 Datasets"},
        ),
    log:
        "results/{run}/log/table1.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="table1-1",
    message:
        "Table 1 of {wildcards.run}"
    script:
        "../workflow/scripts/table1.py"


rule table2:
    input:
        config="results/{run}/config.yaml",
        scores="results/{run}/scores.tsv",
        times="results/{run}/times.tsv",
        summaries=tapt_summaries,
    output:
        tsv=f"{TABLE}/table2.tsv",
        time=f"{TABLE}/table2_time.tsv",
        md=f"{TABLE}/table2.md",
        tex=f"{TABLE}/table2.tex",
        html=report(
            f"{TABLE}/table2.html",
            caption="../workflow/report/table2.rst",
            category="Tables",
            labels={"table": "2 AFTER by labelled share"},
        ),
    log:
        "results/{run}/log/table2.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="table2-1",
    message:
        "Table 2 of {wildcards.run}"
    script:
        "../workflow/scripts/table2.py"


rule table4:
    input:
        config="results/{run}/config.yaml",
        scores="results/{run}/scores.tsv",
        times="results/{run}/times.tsv",
        summaries=tapt_summaries,
    output:
        tsv=f"{TABLE}/table4.tsv",
        md=f"{TABLE}/table4.md",
        tex=f"{TABLE}/table4.tex",
        html=report(
            f"{TABLE}/table4.html",
            caption="../workflow/report/table4.rst",
            category="Tables",
            labels={"table": "4 Ablation"},
        ),
    log:
        "results/{run}/log/table4.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="table4-1",
    message:
        "Table 4 of {wildcards.run}"
    script:
        "../workflow/scripts/table4.py"
