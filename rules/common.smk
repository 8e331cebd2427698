"""The checked configuration, wildcards, and the functions that rules use for their inputs."""

import sys
from functools import cache

from snakemake.exceptions import WorkflowError

from after_ser import step_settings
from after_ser.acquisition.registry import STRATEGIES
from after_ser.config import corpus_root, resolve
from after_ser.config_checks import check_files
from after_ser.core.paths import Paths
from after_ser.errors import InputError
from after_ser.grid import (
    cells,
    dataset_splits,
    folds,
    reserved_speakers,
    fit_at,
)
from after_ser.owners import record_owner, record_run
from after_ser.people import human_protocols, is_own
from after_ser.protocol import labelled_fraction
from after_ser.runtime.environment import set_job_environment
from after_ser.starts import start_uses_labels
from after_ser.step_settings import METHODS

try:
    check_files(workflow.configfiles)
    CONFIG = resolve(config)
except InputError as error:
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
# Protocols whose oracle is a person.
HUMAN = human_protocols(CONFIG)
paths = Paths(RUN)
# Params of every rule that computes with torch.
ON_DEVICE = {"device": CONFIG["device"], "threads": CONFIG["threads"]}


wildcard_constraints:
    run="[A-Za-z][A-Za-z0-9-]*",
    split="paper|released|own",
    corpus="[A-Za-z][A-Za-z0-9-]*",
    baseline="[A-Za-z][A-Za-z0-9-]*",
    dataset="[A-Za-z][A-Za-z0-9-]*",
    backbone="[A-Za-z][A-Za-z0-9-]*",
    protocol="[A-Za-z][A-Za-z0-9-]*",
    start="[A-Za-z][A-Za-z0-9-]*",
    init="kmeans|random|oneshot",
    strategy="[a-z_]+",
    fold="[0-9]+",
    seed="[0-9]+",
    round="[0-9]+",


def audit_files():
    """The audit of every dataset, for each way its folds are made."""
    return [
        f"results/{RUN}/{split}/datasets/{dataset}/audit.json"
        for split, dataset in dataset_splits(CONFIG)
    ]


def one_of(names):
    """A regular expression for these names and nothing else."""
    return "|".join(names) or "(?!)"
