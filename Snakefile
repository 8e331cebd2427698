# AFTER: active-learning based fine-tuning for speech emotion recognition.
#
# raw corpus -> manifest, 16 kHz audio -> dataset, folds -> backbone -> TAPT per fold -> latents
#   -> initial set -> round 0, 1, 2 ... -> scores -> tables, figures
#
# results/corpora/{corpus}/                what no setting of a run can change
# results/{run}/{split}/<stage>/...        everything else; docs/architecture.md has the grammar

from snakemake.utils import min_version

min_version("9.27")

# Snakemake merges configs, so the demo's must not be loaded beneath another. What any config takes
# from config/base.yaml is added in rules/common.smk, where it is checked.
if not workflow.configfiles:

    configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/cluster.smk"
include: "rules/people.smk"


report: "workflow/report/workflow.rst"


# In the main process, once the jobs are known and before the first one starts. Only one such block
# can be: a second one would replace it without a word.
onstart:
    record_run(RUN)
    check_cluster()
    if ENDING is not None:
        ENDING.started()
    # Every finished job leaves a timer of the rate limiter that wakes the scheduler again and again
    # until the end of the run: after 600 jobs the main process takes a third of a core.
    workflow.scheduler.job_rate_limiter = None


onsuccess:
    if ENDING is not None:
        ENDING.succeeded()


include: "rules/corpora.smk"
include: "rules/datasets.smk"
include: "rules/backbone.smk"
include: "rules/tapt.smk"
include: "rules/ptapt.smk"
include: "rules/rounds.smk"
include: "rules/annotation.smk"
include: "rules/baselines.smk"
include: "rules/report.smk"
include: "rules/inside.smk"
include: "rules/robustness.smk"
include: "rules/outliers.smk"
include: "rules/fewshot.smk"
include: "rules/progress.smk"


rule all:
    default_target: True
    input:
        PEOPLE.targets(),
        table_files(),
        figure_files(),
        inside_pages(),
        # named here, so that one that was lost is made again
        metrics_files(),
        baseline_files(),
        audit_files(),
    localrule: True
