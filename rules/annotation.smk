"""Asking people: val first, then the initial set, then a query per round; and what they answered.

REQUIRED INPUTS: datasets/{dataset}/*, latents, pools; annotations/{run}/{asked}/ (people's, no
output of any rule)
OUTPUTS: results/{run}/annotation/{asked}.json, datasets/{dataset}/fold{fold}.answered*,
al/.../initial.tsv, query.tsv, labelled.tsv, answers.json

The same steps as with the simulated oracle, with a pause between query and labels.
"""

DATASET = f"results/{RUN}/{{split}}/datasets/{{dataset}}"


rule val_query:
    input:
        fold=f"{DATASET}/fold{{fold}}.tsv",
        manifest=f"{DATASET}/manifest.tsv",
    output:
        query=f"{DATASET}/fold{{fold}}.val_query.tsv",
    log:
        f"{DATASET}/log/fold{{fold}}.val_query.log",
    wildcard_constraints:
        split="own",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="val-query-1",
        frozen=str(folder_of(RUN, VAL) / "query.tsv"),
    message:
        "Which clips of {wildcards.dataset} are val"
    script:
        "../workflow/scripts/val_query.py"


use rule initial_set as ask_initial_set with:
    output:
        initial=f"{SEED}/initial.tsv",
        timing=f"{SEED}/initial_timing.json",
    wildcard_constraints:
        init="kmeans|random",
        protocol=one_of(HUMAN),
    params:
        method_version="ask-initial-1",
        settings=initial_settings,
        classes=CONFIG["classes"],
        fraction=CONFIG["budget"][0],
        frozen=frozen_query,


use rule acquire as ask with:
    input:
        pool=lambda w: ancient(previous_round(w, "pool.tsv")),
        settings=f"{SETTINGS}/settings.json",
        labelled=lambda w: previous_round(w, "labelled.tsv"),
        answers=lambda w: previous_round(w, "answers.json"),
        manifest=f"{DATASET}/manifest.tsv",
    output:
        query=f"{ROUND}/query.tsv",
        timing=f"{ROUND}/query_timing.json",
    wildcard_constraints:
        init="kmeans|random",
        round="[1-9][0-9]*",
        strategy="|".join(FROM_SCORES),
        protocol=one_of(HUMAN),
    params:
        method_version="ask-1",
        fraction=queried_fraction,
        options=strategy_options,
        classes=CONFIG["classes"],
        frozen=frozen_query,


use rule acquire_with_features as ask_with_features with:
    input:
        pool=lambda w: ancient(previous_round(w, "pool.tsv")),
        settings=f"{SETTINGS}/settings.json",
        labelled=lambda w: previous_round(w, "labelled.tsv"),
        answers=lambda w: previous_round(w, "answers.json"),
        manifest=f"{DATASET}/manifest.tsv",
        model=model_to_query,
        latents=latents_to_query,
        cnn_latents=cnn_latents_to_query,
        surprisal=surprisal_to_query,
    output:
        query=f"{ROUND}/query.tsv",
        timing=f"{ROUND}/query_timing.json",
    wildcard_constraints:
        init="kmeans|random",
        round="[1-9][0-9]*",
        strategy="|".join(FROM_FEATURES),
        protocol=one_of(HUMAN),
    params:
        method_version="ask-features-1",
        fraction=queried_fraction,
        options=strategy_options,
        classes=CONFIG["classes"],
        device=CONFIG["device"],
        threads=CONFIG["threads"],
        frozen=frozen_query,


# Writes annotations/{run}/{asked}/, which is never removed, once.
rule publish_query:
    input:
        query=query_of,
        manifest=lambda w: f"{human_cells()[0].dataset_folder}/manifest.tsv",
    output:
        published=f"{ANNOTATION}/{{asked}}.json",
    log:
        f"{ANNOTATION}/log/{{asked}}.log",
    wildcard_constraints:
        asked="val|round[0-9]+",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="publish-1",
        run=RUN,
        classes=CONFIG["classes"],
        oracle=human_oracle(),
    message:
        "Asking for {wildcards.asked}: annotations/{RUN}/{wildcards.asked}"
    script:
        "../workflow/scripts/publish_query.py"


rule read_val_answers:
    input:
        published=f"{ANNOTATION}/val.json",
        query=f"{DATASET}/fold{{fold}}.val_query.tsv",
        fold=f"{DATASET}/fold{{fold}}.tsv",
        manifest=f"{DATASET}/manifest.tsv",
    output:
        fold=f"{DATASET}/fold{{fold}}.answered.tsv",
        manifest=f"{DATASET}/fold{{fold}}.answered.manifest.tsv",
        answers=f"{DATASET}/fold{{fold}}.answers.json",
    log:
        f"{DATASET}/log/fold{{fold}}.answers.log",
    wildcard_constraints:
        split="own",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="val-answers-1",
        run=RUN,
        classes=CONFIG["classes"],
        oracle=human_oracle(),
        digest=digest_of(VAL),
    message:
        "Reading the answers to val"
    script:
        "../workflow/scripts/read_val_answers.py"


rule read_answers:
    input:
        published=f"{ANNOTATION}/round{{round}}.json",
        query=f"{ROUND}/query.tsv",
        known=lambda w: previous_round(w, "labelled.tsv"),
        known_answers=lambda w: previous_round(w, "answers.json"),
    output:
        labelled=f"{ROUND}/labelled.tsv",
        answers=f"{ROUND}/answers.json",
    log:
        f"{ROUND}/log/answers.log",
    wildcard_constraints:
        init="kmeans|random",
        round="[1-9][0-9]*",
        protocol=one_of(HUMAN),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="answers-1",
        run=RUN,
        asked=lambda w: asked_in(w.round),
        classes=CONFIG["classes"],
        oracle=human_oracle(),
        digest=digest_of("round{round}"),
    message:
        "Reading the answers to round {wildcards.round}"
    script:
        "../workflow/scripts/read_answers.py"


use rule read_answers as read_first_answers with:
    input:
        published=f"{ANNOTATION}/round0.json",
        query=f"{SEED}/initial.tsv",
        fold=f"{DATASET}/fold{{fold}}.tsv",
        manifest=f"{DATASET}/manifest.tsv",
    output:
        labelled=f"{SEED}/round0/labelled.tsv",
        answers=f"{SEED}/round0/answers.json",
    log:
        f"{SEED}/round0/log/answers.log",
    wildcard_constraints:
        init="kmeans|random",
        protocol=one_of(HUMAN),
    params:
        method_version="first-answers-1",
        run=RUN,
        asked=asked_in(0),
        classes=CONFIG["classes"],
        oracle=human_oracle(),
        digest=digest_of("round0"),
    message:
        "Reading the answers to the initial set"


rule rounds:
    input:
        config=f"results/{RUN}/config.yaml",
        manifest=lambda w: f"{cell_of_table('rounds').dataset_folder}/manifest.tsv",
        metrics=lambda w: [cell.metrics for cell in cells_of_table("rounds")],
        answers=lambda w: answers_of_table("rounds"),
    output:
        tsv=f"results/{RUN}/tables/rounds.tsv",
        md=f"results/{RUN}/tables/rounds.md",
        tex=f"results/{RUN}/tables/rounds.tex",
        html=report(
            f"results/{RUN}/tables/rounds.html",
            caption="../workflow/report/rounds.rst",
            category="Tables",
            labels={"table": "Rounds"},
        ),
    log:
        f"results/{RUN}/log/rounds.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        method_version="rounds-2",
    message:
        "Rounds of {RUN}"
    script:
        "../workflow/scripts/rounds.py"
