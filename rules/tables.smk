"""Scores of all cells, and the paper's tables beside the published numbers.

REQUIRED INPUTS: metrics.json and timing.json of every cell, composition.tsv, the config;
predictions.tsv of the cells that are compared, manifest.tsv
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
        composition=table1_composition,
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
        summaries=tapt_summaries("table2"),
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
        method_version="table2-2",
    message:
        "Table 2 of {wildcards.run}"
    script:
        "../workflow/scripts/table2.py"


rule table4:
    input:
        config="results/{run}/config.yaml",
        scores="results/{run}/scores.tsv",
        times="results/{run}/times.tsv",
        summaries=tapt_summaries("table4"),
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
        method_version="table4-3",
    message:
        "Table 4 of {wildcards.run}"
    script:
        "../workflow/scripts/table4.py"


rule comparisons:
    input:
        config="results/{run}/config.yaml",
        scores="results/{run}/scores.tsv",
        summaries=tapt_summaries("comparisons"),
        predictions=compared_predictions,
        manifest=lambda w: (
            f"results/{w.run}/{reference_split()}/datasets/"
            f"{CONFIG['tables']['comparisons']['dataset']}/manifest.tsv"
        ),
    output:
        tsv=f"{TABLE}/comparisons.tsv",
        md=f"{TABLE}/comparisons.md",
        tex=f"{TABLE}/comparisons.tex",
        html=report(
            f"{TABLE}/comparisons.html",
            caption="../workflow/report/comparisons.rst",
            category="Tables",
            labels={"table": "Comparisons with a reference arm"},
        ),
    log:
        "results/{run}/log/comparisons.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="comparisons-2",
    message:
        "Table comparisons of {wildcards.run}"
    script:
        "../workflow/scripts/comparisons.py"


rule learning:
    input:
        config="results/{run}/config.yaml",
        scores="results/{run}/scores.tsv",
        summaries=tapt_summaries("learning"),
    output:
        tsv=f"{TABLE}/learning.tsv",
        md=f"{TABLE}/learning.md",
        tex=f"{TABLE}/learning.tex",
        html=report(
            f"{TABLE}/learning.html",
            caption="../workflow/report/learning.rst",
            category="Tables",
            labels={"table": "Learning curves"},
        ),
    log:
        "results/{run}/log/learning.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="learning-2",
    message:
        "Table learning of {wildcards.run}"
    script:
        "../workflow/scripts/learning.py"


rule penalty:
    input:
        config="results/{run}/config.yaml",
        scores="results/{run}/scores.tsv",
        summaries=tapt_summaries("penalty"),
    output:
        tsv=f"{TABLE}/penalty.tsv",
        md=f"{TABLE}/penalty.md",
        tex=f"{TABLE}/penalty.tex",
        html=report(
            f"{TABLE}/penalty.html",
            caption="../workflow/report/penalty.rst",
            category="Tables",
            labels={"table": "Pairwise penalty matrix"},
        ),
    log:
        "results/{run}/log/penalty.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="penalty-2",
    message:
        "Table penalty of {wildcards.run}"
    script:
        "../workflow/scripts/penalty.py"


rule protocol_effect:
    input:
        config="results/{run}/config.yaml",
        scores="results/{run}/scores.tsv",
        queries=selection_files,
        summaries=tapt_summaries("protocol_effect"),
    output:
        tsv=f"{TABLE}/protocol_effect.tsv",
        md=f"{TABLE}/protocol_effect.md",
        tex=f"{TABLE}/protocol_effect.tex",
        html=report(
            f"{TABLE}/protocol_effect.html",
            caption="../workflow/report/protocol_effect.rst",
            category="Tables",
            labels={"table": "Protocol effect"},
        ),
    log:
        "results/{run}/log/protocol_effect.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="protocol_effect-2",
    message:
        "Protocol effect of {wildcards.run}"
    script:
        "../workflow/scripts/protocol_effect.py"


rule tapt_ablation:
    input:
        config="results/{run}/config.yaml",
        scores="results/{run}/scores.tsv",
        summaries=tapt_summaries("tapt_ablation"),
    output:
        tsv=f"{TABLE}/tapt_ablation.tsv",
        md=f"{TABLE}/tapt_ablation.md",
        tex=f"{TABLE}/tapt_ablation.tex",
        html=report(
            f"{TABLE}/tapt_ablation.html",
            caption="../workflow/report/tapt_ablation.rst",
            category="Tables",
            labels={"table": "TAPT ablation"},
        ),
    log:
        "results/{run}/log/tapt_ablation.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="tapt_ablation-2",
    message:
        "TAPT ablation of {wildcards.run}"
    script:
        "../workflow/scripts/tapt_ablation.py"
