"""P-TAPT: emotion states of frames, their clusters, and masked prediction of the clusters.

REQUIRES results/{run}/backbone/{backbone}/model.safetensors,
         results/{run}/{split}/datasets/{dataset}/{manifest,fold{fold}}.tsv
MAKES results/{run}/{split}/ptapt/{start}/..., and tapt/... as of any other start

The first two steps do not depend on the backbone, so all backbones share them. They read every
label of the fold's train split, and no other.
"""


rule ptapt_states:
    input:
        manifest=paths.manifest,
        fold=paths.fold,
    output:
        weights=f"{paths.ptapt}/states.safetensors",
        described=f"{paths.ptapt}/states.json",
        history=f"{paths.ptapt}/history.tsv",
        timing=f"{paths.ptapt}/timing.json",
    log:
        f"{paths.split_logs}/ptapt_states/{paths.ptapt_run}.log",
    wildcard_constraints:
        start=one_of(PSEUDO_LABELLED),
    conda:
        "../../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("ptapt_states"),
    params:
        **ON_DEVICE,
        **TAPT_RUN,
        method_version="ptapt-states-1",
        settings=lambda w: step_settings.of_states(CONFIG, w.start),
        classes=CONFIG["classes"],
        state=f"{paths.split_state}/ptapt_states/{paths.ptapt_run}",
    message:
        "Emotion states ({wildcards.start}) on {wildcards.dataset}, fold {wildcards.fold}"
    script:
        "../../workflow/scripts/ptapt_states.py"


rule ptapt_clusters:
    input:
        weights=f"{paths.ptapt}/states.safetensors",
        manifest=paths.manifest,
        fold=paths.fold,
    output:
        clusters=f"{paths.ptapt}/clusters.npy",
        index=f"{paths.ptapt}/index.tsv",
        described=f"{paths.ptapt}/clusters.json",
        timing=f"{paths.ptapt}/clusters_timing.json",
    log:
        f"{paths.split_logs}/ptapt_clusters/{paths.ptapt_run}.log",
    conda:
        "../../envs/environment.yaml"
    threads: CONFIG["threads"]
    resources:
        **REQUESTS.of("ptapt_clusters"),
    params:
        **ON_DEVICE,
        **TAPT_RUN,
        method_version="ptapt-clusters-1",
        clusters=lambda w: CONFIG["tapt"][w.start]["first_stage"]["clusters"],
        iterations=lambda w: CONFIG["tapt"][w.start]["first_stage"]["iterations"],
    message:
        "Clusters of emotion states ({wildcards.start}), {wildcards.dataset}, fold {wildcards.fold}"
    script:
        "../../workflow/scripts/ptapt_clusters.py"


use rule tapt as ptapt with:
    input:
        weights=f"{paths.backbone}/model.safetensors",
        manifest=paths.manifest,
        fold=paths.fold,
        clusters=f"{paths.ptapt}/clusters.npy",
        described=f"{paths.ptapt}/clusters.json",
    log:
        f"{paths.split_logs}/ptapt/{paths.tapt_run}.log",
    wildcard_constraints:
        start=one_of(PSEUDO_LABELLED),
    conda:
        "../../envs/environment.yaml"
    params:
        **ON_DEVICE,
        **TAPT_RUN,
        method_version="ptapt-2",
        settings=lambda w: step_settings.of_tapt(CONFIG, w.start),
        state=f"{paths.split_state}/ptapt/{paths.tapt_run}",
    message:
        "P-TAPT ({wildcards.start}) on {wildcards.dataset}, fold {wildcards.fold}"
