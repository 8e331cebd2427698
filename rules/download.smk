"""Corpora that may be fetched, into the folders where the configuration looks for them.

REQUIRED INPUTS: nothing but a network
OUTPUTS: the corpora's folders, which are no outputs of a rule: none deletes or writes into them
"""


rule download:
    log:
        "results/corpora/download.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        names=CONFIG["download"],
        plan=CONFIG["downloads"] or f"{workflow.basedir}/config/downloads.yaml",
        schema=f"{workflow.basedir}/config/schema/downloads.schema.yaml",
        config={key: CONFIG[key] for key in ("corpora_root", "corpora")},
    message:
        "Fetching the corpora that may be fetched"
    script:
        "../workflow/scripts/download.py"
