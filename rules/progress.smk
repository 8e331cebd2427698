"""The page after each round: learning curve on val, the next round's gain, stopping criteria.

REQUIRED INPUTS: metrics.json, predictions.tsv and pool.tsv of a round and all before it, its
answers.json where people are asked
OUTPUTS: progress.html and progress.json in the round's folder
"""


rule progress:
    input:
        metrics=lambda w: rounds_so_far(w, "metrics.json"),
        predictions=lambda w: rounds_so_far(w, "predictions.tsv"),
        pools=lambda w: rounds_so_far(w, "pool.tsv"),
        answers=lambda w: (
            rounds_so_far(w, "answers.json")[-1:] if w.protocol in HUMAN else []
        ),
        manifest=fitted_manifest,
    output:
        page=f"{SEED}/{{place}}/progress.html",
        facts=f"{SEED}/{{place}}/progress.json",
    log:
        f"{SEED}/{{place}}/log/progress.log",
    wildcard_constraints:
        init="kmeans|random",
        place="round0|[a-z_]+/round[1-9][0-9]*",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="progress-2",
        classes=CONFIG["classes"],
        next_fraction=planned_fraction,
        title=lambda w: f"{RUN}: {w.dataset} after {w.place.rpartition('/')[2]}",
        # not by round, so that an earlier round's band is the same on every later page
        random_name=lambda w: [w.dataset, int(w.fold), w.init, int(w.seed), w.start],
    message:
        "How far {wildcards.dataset} is after {wildcards.place}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/progress.py"
