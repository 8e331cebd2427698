"""A page of report.html per arm that looks inside it: picks, pool, recall by class, sure mistakes.

REQUIRED INPUTS: metrics.json, labelled.tsv, predictions.tsv of the arm's runs; pools and mean CNN
outputs of those that are shown in detail; the dataset's manifest, folds and audio
OUTPUTS: results/{run}/inside/{dataset}/{arm}.html
"""

from after_ser.reporting.inside.plan import files_of, pages


@cache
def inside_cells():
    """The cells of each page that looks inside an arm, by (dataset, arm)."""
    try:
        found = pages(CONFIG, cells(CONFIG))
    except InputError as error:
        raise WorkflowError(str(error)) from None
    # where people are asked there is a page from their first round on
    own = {
        key: [cell for cell in part if PEOPLE.answered(cell)]
        for key, part in found.items()
    }
    return {key: part for key, part in own.items() if part}


def inside_pages():
    """Every page that looks inside an arm."""
    return [
        f"results/{RUN}/inside/{dataset}/{arm}.html" for dataset, arm in inside_cells()
    ]


def inside_files(wildcards):
    """What the page of one arm is made of."""
    own = inside_cells()[wildcards.dataset, wildcards.arm]
    return files_of(own, CONFIG["inside"]["runs"])


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
