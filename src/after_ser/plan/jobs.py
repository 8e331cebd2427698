"""The jobs of a config, from Snakemake's own plan: nothing is run and no data is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from after_ser.errors import InputError

#: The rule that only names what is wanted.
TARGET = "all"


@dataclass(frozen=True)
class Job:
    """A job of the plan: its rule and wildcards, the numbers of those it waits for, and its log."""

    number: int
    rule: str
    wildcards: Mapping[str, str]
    after: tuple[int, ...]
    log: str = ""


def planned_jobs(snakefile: Path, configfile: Path) -> tuple[dict[str, Any], list[Job]]:
    """Return the resolved config and every job of a complete run, finished or not.

    An arm costs the same whether it was run before, so all jobs are listed, as with
    `snakemake --forceall --dry-run`. Raises InputError with what Snakemake has to say.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import WorkflowError
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        ResourceSettings,
    )

    if not configfile.is_file():
        raise InputError(f"plan: no file {configfile}; expected a config such as config/paper.yaml")
    quiet = OutputSettings(quiet={Quietness.ALL}, dryrun=True)
    try:
        with SnakemakeApi(quiet) as api:
            workflow = api.workflow(
                ResourceSettings(cores=1),
                config_settings=ConfigSettings(configfiles=[configfile.resolve()]),
                snakefile=snakefile,
            )
            dag = workflow.dag(DAGSettings(forceall=True))
            made = dag.workflow_api._workflow
            # as its own printdag does: the plan is made and no lock is taken
            made._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
            made._build_dag()
            return dict(made.globals["CONFIG"]), _jobs(made.dag)
    except WorkflowError as error:
        raise InputError(f"plan: {' '.join(str(error).split())}") from None


def _jobs(dag: Any) -> list[Job]:
    listed = [job for job in dag.jobs if job.rule.name != TARGET]
    number = {job: index for index, job in enumerate(listed)}
    return [
        Job(
            number=number[job],
            rule=job.rule.name,
            wildcards=dict(job.wildcards_dict),
            after=tuple(sorted(number[other] for other in dag.dependencies[job])),
            log=str(job.log[0]) if job.log else "",
        )
        for job in listed
    ]
