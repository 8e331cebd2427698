"""The paper's figures and one confusion matrix per arm.

REQUIRED INPUTS: results/{run}/{config.yaml,scores.tsv,times.tsv}, metrics.json of the last rounds
OUTPUTS: results/{run}/figures/
"""

FIGURE = f"results/{RUN}/figures"


rule figure2:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        times=f"results/{RUN}/times.tsv",
    output:
        svg=f"{FIGURE}/{{figure}}.svg",
        png=report(
            f"{FIGURE}/{{figure}}.png",
            caption="../workflow/report/figure2.rst",
            category="Figures",
            labels=report_labels("2 Learning curves", format="png"),
        ),
        html=report(
            f"{FIGURE}/{{figure}}.html",
            caption="../workflow/report/figure2.rst",
            category="Figures",
            labels=report_labels("2 Learning curves", format="interactive"),
        ),
        tsv=f"{FIGURE}/{{figure}}.tsv",
    log:
        f"results/{RUN}/log/{{figure}}.log",
    wildcard_constraints:
        figure=variants("figure2"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="figure2-2",
    message:
        "{wildcards.figure} of {RUN}"
    script:
        "../workflow/scripts/figure2.py"


rule figure3:
    input:
        config=f"results/{RUN}/config.yaml",
        scores=f"results/{RUN}/scores.tsv",
        times=f"results/{RUN}/times.tsv",
    output:
        svg=f"{FIGURE}/{{figure}}.svg",
        png=report(
            f"{FIGURE}/{{figure}}.png",
            caption="../workflow/report/figure3.rst",
            category="Figures",
            labels=report_labels("3 Time", format="png"),
        ),
        html=report(
            f"{FIGURE}/{{figure}}.html",
            caption="../workflow/report/figure3.rst",
            category="Figures",
            labels=report_labels("3 Time", format="interactive"),
        ),
        tsv=f"{FIGURE}/{{figure}}.tsv",
    log:
        f"results/{RUN}/log/{{figure}}.log",
    wildcard_constraints:
        figure=variants("figure3"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="figure3-1",
    message:
        "{wildcards.figure} of {RUN}"
    script:
        "../workflow/scripts/figure3.py"


rule confusion:
    input:
        config=f"results/{RUN}/config.yaml",
        metrics=lambda w: [cell.metrics for cell in last_cells()[w.dataset, w.arm]],
    output:
        png=report(
            f"{FIGURE}/confusion/{{dataset}}/{{arm}}.png",
            caption="../workflow/report/confusion.rst",
            category="Figures",
            subcategory="Confusion matrices",
            labels={"dataset": "{dataset}", "arm": "{arm}"},
        ),
        svg=f"{FIGURE}/confusion/{{dataset}}/{{arm}}.svg",
        tsv=f"{FIGURE}/confusion/{{dataset}}/{{arm}}.tsv",
    log:
        f"results/{RUN}/log/confusion/{{dataset}}/{{arm}}.log",
    wildcard_constraints:
        arm="[A-Za-z][A-Za-z0-9-]*",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="confusion-2",
    message:
        "Confusion matrix of {wildcards.arm} on {wildcards.dataset}"
    script:
        "../workflow/scripts/confusion.py"
