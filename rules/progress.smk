"""The page after each round: learning curve on val, the next round's gain, stopping criteria.

REQUIRED INPUTS: metrics.json, predictions.tsv and pool.tsv of a round and all before it
OUTPUTS: progress.html and progress.json in the round's folder
"""


def rounds_so_far(wildcards, name):
    """A file of every round up to this one; round 0 is shared, as in `previous_round`."""
    strategy, _, last = wildcards.place.rpartition("/")
    known = dict(wildcards.items())
    own = SEED.format(**known)
    if not strategy:
        return [f"{own}/round0/{name}"]
    known["protocol"] = round0_protocol(CONFIG["protocols"], wildcards.protocol)
    later = range(1, int(last.removeprefix("round")) + 1)
    return [
        f"{SEED.format(**known)}/round0/{name}",
        *(f"{own}/{strategy}/round{index}/{name}" for index in later),
    ]


def planned_fraction(wildcards):
    """The labelled fraction that the next round of the config's budget brings, None after the last."""
    index = int(wildcards.place.rpartition("round")[2]) + 1
    if index >= len(CONFIG["budget"]):
        return None
    shift = CONFIG["protocols"][wildcards.protocol]["budget_shift"]
    return labelled_fraction(CONFIG["budget"], index, shift)


rule progress:
    input:
        metrics=lambda w: rounds_so_far(w, "metrics.json"),
        predictions=lambda w: rounds_so_far(w, "predictions.tsv"),
        pools=lambda w: rounds_so_far(w, "pool.tsv"),
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
        method_version="progress-1",
        classes=CONFIG["classes"],
        next_fraction=planned_fraction,
        title=lambda w: f"{RUN}: {w.dataset} after {w.place.rpartition('/')[2]}",
        # not by round, so that an earlier round's band is the same on every later page
        random_name=lambda w: [w.dataset, int(w.fold), w.init, int(w.seed), w.start],
    message:
        "How far {wildcards.dataset} is after {wildcards.place}, fold {wildcards.fold}"
    script:
        "../workflow/scripts/progress.py"
