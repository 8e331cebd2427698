"""The page after each round: learning curve on val, the next round's gain, stopping criteria.

REQUIRES metrics.json, predictions.tsv and pool.tsv of a round and all before it, its
         answers.json where people are asked
MAKES progress.html and progress.json in the round's folder
"""


rule progress:
    input:
        metrics=lambda w: [f"{folder}/metrics.json" for folder in fit(w).rounds_so_far],
        predictions=lambda w: [
            f"{folder}/predictions.tsv" for folder in fit(w).rounds_so_far
        ],
        pools=lambda w: [f"{folder}/pool.tsv" for folder in fit(w).rounds_so_far],
        answers=lambda w: (
            [f"{fit(w).folder}/answers.json"] if w.protocol in PEOPLE.protocols else []
        ),
        manifest=lambda w: fit(w).fitted_manifest,
    output:
        page=f"{paths.seed}/{{place}}/progress.html",
        facts=f"{paths.seed}/{{place}}/progress.json",
    log:
        f"{paths.seed}/{{place}}/log/progress.log",
    wildcard_constraints:
        init=ITERATIVE,
        place="round0|[a-z_]+/round[1-9][0-9]*",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        method_version="progress-2",
        classes=CONFIG["classes"],
        next_fraction=lambda w: step_settings.queried_fraction(
            CONFIG, w.protocol, fit(w).round + 1
        ),
        title=lambda w: f"{RUN}: {w.dataset} after {w.place.rpartition('/')[2]}",
        # not by round, so that an earlier round's band is the same on every later page
        random_name=lambda w: [w.dataset, int(w.fold), w.init, int(w.seed), w.start],
    message:
        "Progress page of {wildcards.dataset} after {wildcards.place}, fold {wildcards.fold}"
    script:
        "../../workflow/scripts/progress.py"
