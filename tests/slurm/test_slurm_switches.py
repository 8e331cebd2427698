"""Clusters that are different: no accounting database, --gres instead of --gpus."""

import shutil

import pytest
from workflow_runs import copy_run

from tests.slurm.slurm_runs import run_on_slurm

pytestmark = pytest.mark.slurm

LATENTS = "results/tiny/paper/latents/toy/pretrained/merged"
AUDIT = "results/tiny/paper/datasets/merged/audit.json"
NO_ACCOUNTING = ("--slurm-status-command", "squeue", "--slurm-no-account")


def test_without_a_database_the_switches_are_asked_for(plain_cluster, config_file, tmp_path):
    run = run_on_slurm(tmp_path, config_file)
    assert run.status != 0
    assert f"expected {' '.join(NO_ACCOUNTING)}" in run.output, run.output[-3000:]
    assert plain_cluster.jobs() == []


def test_gres_and_no_accounting(plain_cluster, reference, config_file, tmp_path):
    folder = copy_run(reference, tmp_path / "run")
    shutil.rmtree(folder / LATENTS)
    (folder / AUDIT).unlink()
    names = ["latents.npy", "means.npy"]
    targets = [AUDIT, *(f"{LATENTS}/{name}" for name in names)]
    switches = [*NO_ACCOUNTING, "--config", "gpu_request=gres:fake"]
    run = run_on_slurm(folder, config_file, *switches, "--", *targets)
    assert run.status == 0, run.output[-6000:] + plain_cluster.logs()
    jobs = {job["rule"]: job for job in plain_cluster.jobs()}
    assert set(jobs) == {"pretrained_latents", "audit_dataset"}
    seen = plain_cluster.seen_devices()
    assert "gres:gpu:fake:1" in jobs["pretrained_latents"].values()
    assert seen[jobs["pretrained_latents"]["JobId"]] in ({"0"}, {"1"})
    assert seen[jobs["audit_dataset"]["JobId"]] == {"none"}
    for path in targets:
        assert (folder / path).read_bytes() == (reference / path).read_bytes()
