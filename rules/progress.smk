"""The page after each round: learning curve on val, the next round's gain, stopping criteria.

REQUIRED INPUTS: metrics.json, predictions.tsv and pool.tsv of a round and all before it, its
answers.json where people are asked
OUTPUTS: progress.html and progress.json in the round's folder
"""


def rounds_so_far(wildcards, name):
    """A file of every round up to this one; round 0 is shared by all strategies."""
    last = fit(wildcards)
    return [f"{last.round_folder(index)}/{name}" for index in range(last.round + 1)]


def planned_fraction(wildcards):
    """The labelled fraction that the next round of the config's budget brings, None after the last."""
    index = fit(wildcards).round + 1
    if index >= len(CONFIG["budget"]):
        return None
    shift = CONFIG["protocols"][wildcards.protocol]["budget_shift"]
    return labelled_fraction(CONFIG["budget"], index, shift)


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
        page=f"{paths.seed}/{{place}}/progress.html",
        facts=f"{paths.seed}/{{place}}/progress.json",
    log:
        f"{paths.seed}/{{place}}/log/progress.log",
    wildcard_constraints:
        init=ITERATIVE,
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
