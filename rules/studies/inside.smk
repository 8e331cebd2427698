"""A page of report.html per arm that looks inside it: picks, pool, recall by class, sure mistakes.

REQUIRES metrics.json, labelled.tsv, predictions.tsv of the arm's runs; pools and mean CNN
         outputs of those that are shown in detail; the dataset's manifest, folds and audio
MAKES results/{run}/inside/{dataset}/{arm}.html
"""

from after_ser.studies.inside.plan import files_of, pages

try:
    FOUND = pages(CONFIG, CELLS)
except InputError as error:
    raise WorkflowError(str(error)) from None
# The cells of each page by (dataset, arm); where people are asked, from their first round on.
PAGES = {
    key: answered
    for key, part in FOUND.items()
    if (answered := [cell for cell in part if PEOPLE.answered(cell)])
}
TARGETS += [paths.inside.format(dataset=dataset, arm=arm) for dataset, arm in PAGES]


rule inside:
    input:
        config=paths.config,
        files=lambda w: files_of(PAGES[w.dataset, w.arm], CONFIG["inside"]["runs"]),
    output:
        html=report(
            paths.inside,
            caption="../../workflow/report/inside.rst",
            category="Look inside",
            labels={"dataset": "{dataset}", "arm": "{arm}"},
        ),
    log:
        f"{paths.logs}/inside/{{dataset}}/{{arm}}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        **REQUESTS.of("inside"),
    params:
        method_version="inside-2",
    message:
        "A look inside {wildcards.arm} on {wildcards.dataset}"
    script:
        "../../workflow/scripts/inside.py"
