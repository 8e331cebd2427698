"""People as the oracle: questions (val, the initial set, a query per round) and their answers.

REQUIRES datasets/{dataset}/*, latents, pools; annotations/{run}/{asked}/ (people's, no output of
         any rule)
MAKES results/{run}/annotation/{asked}.json, datasets/{dataset}/fold{fold}.answered*,
      al/.../initial.tsv, query.tsv, labelled.tsv, answers.json

The same steps as with the simulated oracle, with a pause between query and labels.
"""

from after_ser.studies.annotation.places import VAL, asked_in

TARGETS += PEOPLE.targets()


# Where a query is once people were asked it: it is read back, never made again.
ASKED = {"frozen": lambda w: PEOPLE.published(asked_in(w.get("round", 0)))}
# Params of the rules that read answers.
COUNTED = {"run": RUN, "classes": CONFIG["classes"], "oracle": PEOPLE.oracle}


rule val_query:
    input:
        fold=paths.fold,
        manifest=paths.manifest,
    output:
        query=f"{paths.of_fold}.val_query.tsv",
    log:
        f"{paths.dataset}/log/fold{{fold}}.val_query.log",
    wildcard_constraints:
        split="own",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        method_version="val-query-1",
        frozen=PEOPLE.published(VAL),
    message:
        "Choosing the val clips of {wildcards.dataset}"
    script:
        "../../workflow/scripts/val_query.py"


use rule initial_set as ask_initial_set with:
    output:
        initial=f"{paths.seed}/initial.tsv",
        timing=f"{paths.seed}/initial_timing.json",
    wildcard_constraints:
        init=ITERATIVE,
        protocol=one_of(PEOPLE.protocols),
    conda:
        "../../envs/environment.yaml"
    params:
        **INITIAL,
        **ASKED,
        method_version="ask-initial-1",


use rule acquire as ask with:
    input:
        **QUERIED,
        answers=lambda w: f"{fit(w).previous_folder}/answers.json",
    output:
        query=f"{paths.round}/query.tsv",
        timing=f"{paths.round}/query_timing.json",
    wildcard_constraints:
        init=ITERATIVE,
        round="[1-9][0-9]*",
        strategy=one_of(FROM_SCORES),
        protocol=one_of(PEOPLE.protocols),
    conda:
        "../../envs/environment.yaml"
    params:
        **QUERY,
        **ASKED,
        method_version="ask-1",


use rule acquire_with_features as ask_with_features with:
    input:
        SEEN,
        **QUERIED,
        answers=lambda w: f"{fit(w).previous_folder}/answers.json",
    output:
        query=f"{paths.round}/query.tsv",
        timing=f"{paths.round}/query_timing.json",
    wildcard_constraints:
        init=ITERATIVE,
        round="[1-9][0-9]*",
        strategy=one_of(FROM_FEATURES),
        protocol=one_of(PEOPLE.protocols),
    conda:
        "../../envs/environment.yaml"
    params:
        **QUERY,
        **ASKED,
        **ON_DEVICE,
        method_version="ask-features-1",


# Writes annotations/{run}/{asked}/, which is never removed, once.
rule publish_query:
    input:
        query=lambda w: PEOPLE.query(w.asked),
        manifest=lambda w: PEOPLE.cells[0].manifest,
    output:
        published=f"{paths.annotation}/{{asked}}.json",
    log:
        f"{paths.annotation}/log/{{asked}}.log",
    wildcard_constraints:
        asked="val|round[0-9]+",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        **COUNTED,
        method_version="publish-1",
    message:
        "Publishing the questions of {wildcards.asked}: annotations/{RUN}/{wildcards.asked}"
    script:
        "../../workflow/scripts/publish_query.py"


rule read_val_answers:
    input:
        published=f"{paths.annotation}/val.json",
        query=f"{paths.of_fold}.val_query.tsv",
        fold=paths.fold,
        manifest=paths.manifest,
    output:
        fold=f"{paths.of_fold}.answered.tsv",
        manifest=f"{paths.of_fold}.answered.manifest.tsv",
        answers=f"{paths.of_fold}.answers.json",
    log:
        f"{paths.dataset}/log/fold{{fold}}.answers.log",
    wildcard_constraints:
        split="own",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        **COUNTED,
        digest=lambda w: PEOPLE.digest(VAL),
        method_version="val-answers-1",
    message:
        "Reading the answers for val"
    script:
        "../../workflow/scripts/read_val_answers.py"


rule read_answers:
    input:
        published=f"{paths.annotation}/round{{round}}.json",
        query=f"{paths.round}/query.tsv",
        known=lambda w: f"{fit(w).previous_folder}/labelled.tsv",
        known_answers=lambda w: f"{fit(w).previous_folder}/answers.json",
    output:
        labelled=f"{paths.round}/labelled.tsv",
        answers=f"{paths.round}/answers.json",
    log:
        f"{paths.round}/log/answers.log",
    wildcard_constraints:
        init=ITERATIVE,
        round="[1-9][0-9]*",
        protocol=one_of(PEOPLE.protocols),
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        **COUNTED,
        digest=lambda w: PEOPLE.digest(asked_in(w.round)),
        method_version="answers-1",
        asked=lambda w: asked_in(w.round),
    message:
        "Reading the answers for round {wildcards.round}"
    script:
        "../../workflow/scripts/read_answers.py"


use rule read_answers as read_first_answers with:
    input:
        published=f"{paths.annotation}/round0.json",
        query=f"{paths.seed}/initial.tsv",
        fold=paths.fold,
        manifest=paths.manifest,
    output:
        labelled=f"{paths.round0}/labelled.tsv",
        answers=f"{paths.round0}/answers.json",
    log:
        f"{paths.round0}/log/answers.log",
    wildcard_constraints:
        init=ITERATIVE,
        protocol=one_of(PEOPLE.protocols),
    params:
        **COUNTED,
        digest=lambda w: PEOPLE.digest(asked_in(0)),
        method_version="first-answers-1",
        asked=asked_in(0),
    message:
        "Reading the answers for the initial set"
