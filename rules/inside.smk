"""A page of report.html per arm that looks inside it: picks, pool, recall by class, sure mistakes.

REQUIRED INPUTS: metrics.json, labelled.tsv, predictions.tsv of the arm's runs; pools and mean CNN
outputs of those that are shown in detail; the dataset's manifest, folds and audio
OUTPUTS: results/{run}/inside/{dataset}/{arm}.html
"""


rule inside:
    input:
        config=f"results/{RUN}/config.yaml",
        files=inside_files,
    output:
        html=report(
            f"results/{RUN}/inside/{{dataset}}/{{arm}}.html",
            caption="../workflow/report/inside.rst",
            category="Look inside",
            labels={"dataset": "{dataset}", "arm": "{arm}"},
        ),
    log:
        f"results/{RUN}/log/inside/{{dataset}}/{{arm}}.log",
    wildcard_constraints:
        arm="[A-Za-z][A-Za-z0-9-]*",
    conda:
        "../envs/environment.yaml"
    resources:
        **REQUESTS.of("inside"),
    params:
        method_version="inside-2",
    message:
        "A look inside {wildcards.arm} on {wildcards.dataset}"
    script:
        "../workflow/scripts/inside.py"
