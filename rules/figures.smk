"""The paper's figures and one confusion matrix per arm.

REQUIRED INPUTS: results/{run}/{config.yaml,scores.tsv,times.tsv}, metrics.json of the last rounds
OUTPUTS: results/{run}/figures/
"""

FIGURE = "results/{run}/figures"


rule figure2:
    input:
        config="results/{run}/config.yaml",
        scores="results/{run}/scores.tsv",
        times="results/{run}/times.tsv",
    output:
        svg=f"{FIGURE}/figure2.svg",
        png=report(
            f"{FIGURE}/figure2.png",
            caption="../workflow/report/figure2.rst",
            category="Figures",
            labels={"figure": "2 Learning curves", "format": "png"},
        ),
        html=report(
            f"{FIGURE}/figure2.html",
            caption="../workflow/report/figure2.rst",
            category="Figures",
            labels={"figure": "2 Learning curves", "format": "interactive"},
        ),
        tsv=f"{FIGURE}/figure2.tsv",
    log:
        "results/{run}/log/figure2.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="figure2-1",
    message:
        "Figure 2 of {wildcards.run}"
    script:
        "../workflow/scripts/figure2.py"


rule figure3:
    input:
        config="results/{run}/config.yaml",
        scores="results/{run}/scores.tsv",
        times="results/{run}/times.tsv",
    output:
        svg=f"{FIGURE}/figure3.svg",
        png=report(
            f"{FIGURE}/figure3.png",
            caption="../workflow/report/figure3.rst",
            category="Figures",
            labels={"figure": "3 Time", "format": "png"},
        ),
        html=report(
            f"{FIGURE}/figure3.html",
            caption="../workflow/report/figure3.rst",
            category="Figures",
            labels={"figure": "3 Time", "format": "interactive"},
        ),
        tsv=f"{FIGURE}/figure3.tsv",
    log:
        "results/{run}/log/figure3.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="figure3-1",
    message:
        "Figure 3 of {wildcards.run}"
    script:
        "../workflow/scripts/figure3.py"


rule confusion:
    input:
        config="results/{run}/config.yaml",
        metrics=lambda w: [cell.metrics for cell in last_cells()[w.arm]],
    output:
        png=report(
            f"{FIGURE}/confusion-{{arm}}.png",
            caption="../workflow/report/confusion.rst",
            category="Figures",
            subcategory="Confusion matrices",
            labels={"arm": "{arm}"},
        ),
        svg=f"{FIGURE}/confusion-{{arm}}.svg",
        tsv=f"{FIGURE}/confusion-{{arm}}.tsv",
    log:
        "results/{run}/log/confusion/{arm}.log",
    wildcard_constraints:
        arm="[A-Za-z][A-Za-z0-9-]*",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="confusion-1",
        arm=lambda w: w.arm,
    message:
        "Confusion matrix of {wildcards.arm}"
    script:
        "../workflow/scripts/confusion.py"
