"""What jobs ask a cluster for, and what is checked before the first one is submitted."""

from after_ser.cluster.requests import Requests

REQUESTS = Requests(CONFIG)


def submitted_jobs():
    """Every job that goes to the cluster, or its group: its name, threads and resources."""
    groups = {}
    for job in workflow.dag.needrun_jobs():
        group = workflow.dag.get_job_group(job)
        if group is not None:
            groups[group.groupid, group.jobid] = group
        elif not workflow.is_local(job.rule):
            yield f"rule {job.rule.name}", job.threads, job.resources
    for (name, _), group in groups.items():
        yield f"group {name}", group.threads, group.resources


def check_cluster():
    """Before the first job is submitted to Slurm: refuse what could never start."""
    if workflow.executor_plugin.name != "slurm":
        return
    from after_ser.cluster.preflight import before_submission

    try:
        REQUESTS.nodes = before_submission(workflow.executor_settings, submitted_jobs())
    except InputError as error:
        raise WorkflowError(str(error)) from None
