# AFTER: active-learning based fine-tuning for speech emotion recognition.
#
# raw corpus -> manifest, 16 kHz audio -> dataset, folds -> backbone -> TAPT per fold -> latents
#   -> initial set -> round 0, 1, 2 ... -> scores -> tables, figures
#
# results/corpora/{corpus}/                what no setting of a run can change
# results/{run}/{split}/<stage>/...        everything else; src/after_ser/core/paths.py has all paths

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from after_ser.config import step_settings
from after_ser.config.checks import check_files
from after_ser.config.resolve import resolve
from after_ser.core.errors import InputError
from after_ser.core.paths import Paths, files_in, one_of
from after_ser.judge.grid import baseline_cells, cells
from after_ser.run.environment import set_job_environment
from after_ser.run.owners import record_owner, record_run
from after_ser.studies.annotation.asked import Asked
from after_ser.studies.annotation.ending import Ending
from after_ser.tools.cluster.requests import Requests

min_version("9.27")

# Snakemake merges configs, so the demo's must not be loaded beneath another. What any config takes
# from config/base.yaml is added where it is resolved.
if not workflow.configfiles:

    configfile: "config/config.yaml"


try:
    check_files(workflow.configfiles)
    CONFIG = resolve(config)
except InputError as error:  # raised from here, so that no traceback is shown
    raise WorkflowError(str(error)) from None

set_job_environment(
    CONFIG["threads"],
    CONFIG["checkpoint_minutes"],
    CONFIG["jobs_per_gpu"],
    scheduled=workflow.remote_exec,
    gpus_per_pretraining=CONFIG["gpus_per_pretraining"],
)
if workflow.is_main_process:
    record_owner()

RUN = CONFIG["run"]
paths = Paths(RUN)
REQUESTS = Requests(CONFIG)  # what jobs ask a cluster for
ON_DEVICE = {"device": CONFIG["device"], "threads": CONFIG["threads"]}  # params
CELLS = list(cells(CONFIG))
BASELINE_CELLS = list(baseline_cells(CONFIG))
TARGETS = []  # what a run is for: each file of rules adds its own
# Where people are the oracle, the DAG ends at the first query that is not answered.
PEOPLE = Asked(CONFIG, CELLS)
try:
    EVALUATED = [cell for cell in CELLS if PEOPLE.answered(cell)]
except InputError as error:
    raise WorkflowError(str(error)) from None
ENDING = None
if workflow.is_main_process and PEOPLE.cells:
    ENDING = Ending(PEOPLE.current_state, PEOPLE.pages, workflow.dryrun)


report: "workflow/report/workflow.rst"


wildcard_constraints:
    **dict.fromkeys(
        ("arm", "backbone", "baseline", "corpus", "dataset", "protocol", "start"),
        "[A-Za-z][A-Za-z0-9-]*",
    ),
    **dict.fromkeys(("fold", "seed", "round"), "[0-9]+"),
    split="paper|released|own",
    init="kmeans|random|oneshot",
    strategy="[a-z_]+",


# In the main process, once the jobs are known and before the first one starts. Only one such block
# can be: a second one would replace it without a word.
onstart:
    record_run(RUN)
    if workflow.executor_plugin.name == "slurm":
        from after_ser.tools.cluster.preflight import before_submission, submitted

        try:
            REQUESTS.nodes = before_submission(
                workflow.executor_settings, submitted(workflow)
            )
        except InputError as error:
            raise WorkflowError(str(error)) from None
    if ENDING is not None:
        ENDING.started()
    # else each finished job leaves a timer that wakes the scheduler until the end of the run
    workflow.scheduler.job_rate_limiter = None


onsuccess:
    if ENDING is not None:
        ENDING.succeeded()


include: "rules/corpora.smk"
include: "rules/datasets.smk"
include: "rules/backbone.smk"
include: "rules/tapt.smk"
include: "rules/rounds.smk"
include: "rules/report.smk"


STUDIES = {
    "annotation": PEOPLE.cells,
    "baselines": BASELINE_CELLS,
    "fewshot": "fewshot" in CONFIG,
    "inside": CONFIG["inside"]["arms"],
    "outliers": INJECTED,
    "progress": True,  # its pages can be asked for by name
    "ptapt": PSEUDO_LABELLED,
    "robustness": "robustness" in CONFIG["tables"],
}
for study, wanted in STUDIES.items():
    if wanted:

        include: f"rules/studies/{study}.smk"


rule all:
    default_target: True
    input:
        TARGETS,
    localrule: True
