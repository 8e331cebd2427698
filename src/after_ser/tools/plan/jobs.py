"""The jobs of a config, from Snakemake's own plan: nothing is run and no data is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from after_ser.core.errors import InputError

#: The rule that only names what is wanted.
TARGET = "all"


@dataclass(frozen=True)
class PlannedJob:
    """A job of the plan: its rule and wildcards, and the numbers of those it waits for.

    ran: when it began and when its last output was there, in seconds, if it was finished; step_s:
    the seconds of these that its step took, by timing.json.
    """

    number: int
    rule: str
    wildcards: Mapping[str, str]
    after: tuple[int, ...]
    ran: tuple[float, float] | None = None
    step_s: float = 0.0


def planned_jobs(snakefile: Path, configfile: Path) -> tuple[dict[str, Any], list[PlannedJob]]:
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
            return dict(made.globals["CONFIG"]), _jobs(made.dag, made.persistence)
    except WorkflowError as error:
        raise InputError(f"plan: {' '.join(str(error).split())}") from None


def _jobs(dag: Any, persistence: Any) -> list[PlannedJob]:
    listed = [job for job in dag.jobs if job.rule.name != TARGET]
    number = {job: index for index, job in enumerate(listed)}
    return [
        PlannedJob(
            number=number[job],
            rule=job.rule.name,
            wildcards=dict(job.wildcards_dict),
            after=tuple(sorted(number[other] for other in dag.dependencies[job])),
            ran=_ran(job, persistence),
            step_s=sum(_wall_s(Path(out)) for out in job.output if out.endswith("timing.json")),
        )
        for job in listed
    ]


def _ran(job: Any, persistence: Any) -> tuple[float, float] | None:
    """Return when a job began and when its last output was there, by Snakemake's records."""
    records = [persistence.metadata(output) for output in job.output]
    spans = [(r.starttime, r.endtime) for r in records if r and r.starttime and r.endtime]
    return (min(s for s, _ in spans), max(e for _, e in spans)) if spans else None


def _wall_s(timing: Path) -> float:
    try:
        return float(json.loads(timing.read_text(encoding="utf-8"))["wall_s"])
    except (OSError, ValueError, KeyError):
        return 0.0
