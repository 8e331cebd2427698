"""The workflow on a real Slurm: devices, requests, results, and jobs that end early."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from workflow_runs import REPO, contents, copy_run, finish, resolved

from after_ser.tools.cluster.requests import Requests
from after_ser.tools.cluster.rules import Gpus, rule_of
from tests.slurm.slurm_runs import (
    AL,
    STATE,
    TAPT,
    environment,
    job_of,
    on_slurm,
    run_on_slurm,
    small,
    trainer,
    wait_for,
)

pytestmark = pytest.mark.slurm

#: Files that hold times or show them, and the index, which names the release by its whole path.
TIMES = ("timing.json", "times.tsv", "table2_time.tsv", ".log")
SHOWN = re.compile(r"tables/table2\.(md|tex|html)$|results/corpora/[^/]+/index\.tsv$")


@pytest.fixture(scope="module")
def slurm_run(cluster, config_file, tmp_path_factory):
    """The folder of a whole run through the profile, and its jobs as Slurm knows them."""
    folder = tmp_path_factory.mktemp("slurm")
    run = run_on_slurm(folder, config_file)
    assert run.status == 0, run.output[-6000:] + cluster.logs()
    assert "Traceback" not in run.output
    return folder, [job for job in cluster.jobs() if job["WorkDir"] == str(folder)]


def test_every_model_job_has_a_device_of_its_own_and_no_other_job_has_any(cluster, slurm_run):
    _, jobs = slurm_run
    seen = cluster.seen_devices()
    on_gpu = [job for job in jobs if rule_of(job["rule"]).gpus is not Gpus.NONE]
    others = [job for job in jobs if job not in on_gpu]
    assert len(on_gpu) == 12 and len(others) == 12, [job["rule"] for job in jobs]
    for job in on_gpu:
        assert job["TresPerJob"] == "gres:gpu:1" and job["Partition"] == "gpu"
        assert seen[job["JobId"]] in ({"0"}, {"1"})
    for job in others:
        assert "TresPerJob" not in job and job["Partition"] == "cpu"
        assert seen[job["JobId"]] == {"none"}
    together = [
        (one, other)
        for one in on_gpu
        for other in on_gpu
        if one is not other
        and one["StartTime"] < other["EndTime"]
        and other["StartTime"] < one["EndTime"]
    ]
    assert together, "no two ran at the same time, so that nothing was shown"
    for one, other in together:
        assert seen[one["JobId"]] != seen[other["JobId"]], (one["rule"], other["rule"])


def test_slurm_was_asked_for_what_the_rules_declare(slurm_run):
    _, jobs = slurm_run
    requests = Requests(resolved(small()))
    wildcards = {"dataset": "merged", "backbone": "toy", "start": "tapt", "protocol": "paper"}
    assert len(jobs) <= 40
    for job in jobs:
        rule = job["rule"].replace("fit_round0", "fit_round")
        corpora = ["toy-emodb", "toy-pretraining"] if "corpus" in rule else [""]
        rounds = ["0", "1"] if rule == "fit_round" else [""]
        expected = [
            requests.request(rule, {**wildcards, "corpus": corpus, "round": index})
            for corpus in corpora
            for index in rounds
        ]
        hours, minutes, _ = job["TimeLimit"].split(":")
        asked = (
            int(job["mb"]),
            60 * int(hours) + int(minutes),
            int(job["CPUs/Task"]),
        )
        assert asked in [(one.mem_mb, one.minutes, one.cpus) for one in expected], job["rule"]
        assert job["JobState"] == "COMPLETED" and job["Requeue"] == "1"


def test_the_accounts_have_the_same(slurm_run):
    _, jobs = slurm_run
    command = ["sacct", "-X", "-P", "-n", "--starttime=2000-01-01", "--format=JobID,State,ReqTRES"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = {row.split("|")[0]: row.split("|")[1:] for row in text.splitlines()}
    for job in jobs:
        state, asked = rows[job["JobId"]]
        memory = re.search(r"mem=([\d.]+)([MG])", asked)
        assert state == "COMPLETED" and memory
        mb = float(memory[1]) * (1024 if memory[2] == "G" else 1)
        assert mb == pytest.approx(int(job["mb"]), rel=0.01)
        assert ("gres/gpu=1" in asked) == ("TresPerJob" in job)


def test_results_are_those_of_one_machine_to_the_byte(slurm_run, reference):
    there, here = contents(slurm_run[0]), contents(reference)
    assert set(there) == set(here)
    compared = [path for path in here if not path.endswith(TIMES) and not SHOWN.search(path)]
    assert [path for path in compared if there[path] != here[path]] == []
    tables = [path for path in compared if "/tables/" in path]
    assert len(tables) >= 9 and f"{TAPT.format(fold=1)}/model.safetensors" in compared


def test_a_time_out_is_retried_and_a_requeued_job_goes_on(
    cluster, reference, config_file, tmp_path
):
    folder = copy_run(reference, tmp_path / "run")
    shutil.rmtree(folder / "results/tiny/paper/tapt")
    targets = [f"{TAPT.format(fold=fold)}/model.safetensors" for fold in (1, 2)]
    process = on_slurm(folder, config_file, "--until", "tapt", "--", *targets)
    stopped = {}
    for fold in (1, 2):
        job = wait_for("TAPT", lambda fold=fold: job_of(cluster, "tapt", fold, "RUNNING"))
        state = folder / STATE.format(fold=fold)
        wait_for("a checkpoint", lambda state=state: list(state.glob("step*.pt")))
        # stands still, so that it cannot end before it is ended
        stopped[fold] = (job["JobId"], pid := trainer(folder, ".tapt.py", job["JobId"]))
        os.kill(pid, signal.SIGSTOP)
        if fold == 1:  # a minute is the least; it is noticed within another one
            _scontrol("update", f"JobId={job['JobId']}", "TimeLimit=1")
        else:
            _scontrol("requeue", job["JobId"])
    run = finish(process)
    assert run.status == 0, run.output[-6000:] + cluster.logs()
    tapt = [j for j in cluster.jobs() if j["WorkDir"] == str(folder) and j["rule"] == "tapt"]
    by_id = {job["JobId"]: job for job in tapt}
    timed_out, requeued = by_id[stopped[1][0]], by_id[stopped[2][0]]
    assert timed_out["JobState"] == "TIMEOUT"
    assert (requeued["JobState"], requeued["Restarts"]) == ("COMPLETED", "1")
    (again,) = [job for job in tapt if job not in (timed_out, requeued)]
    first, second = (int(job["mb"]) for job in (timed_out, again))
    assert second == pytest.approx(1.5 * first, abs=1), "a retry gets more memory"
    for fold in (1, 2):
        for name in ("model.safetensors", "log.tsv", "summary.json"):
            path = f"{TAPT.format(fold=fold)}/{name}"
            assert (folder / path).read_bytes() == (reference / path).read_bytes()
        timing = json.loads((folder / TAPT.format(fold=fold) / "timing.json").read_text())
        assert timing["attempts"] == 2, "it went on from its checkpoint"


def test_a_chain_is_one_job_that_keeps_its_finished_rounds(
    cluster, reference, config_file, tmp_path
):
    folder = copy_run(reference, tmp_path / "run")
    chain = f"{AL}/tapt/merged/fold1/kmeans/seed0"
    for name in ("round0", "entropy"):
        shutil.rmtree(folder / chain / name)
    (folder / chain / "initial.tsv").unlink()
    target = f"{chain}/entropy/round1/metrics.json"

    def submit() -> str:
        command = ["sbatch", "--parsable", str(REPO / "slurm/chain.sh")]
        command += ["--snakefile", str(REPO / "Snakefile"), "--configfile", str(config_file)]
        done = subprocess.run(
            [*command, "--", target], cwd=folder, env=environment(), text=True, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def state_of(job: str) -> str:
        return next(one["JobState"] for one in cluster.jobs() if one["JobId"] == job)

    first = submit()
    wait_for("the query of round 1", lambda: (folder / chain / "entropy/round1/query.tsv").exists())
    subprocess.run(["scancel", first], check=True)
    wait_for("the end of the job", lambda: state_of(first) == "CANCELLED")
    wait_for("its processes", lambda: trainer(folder, ".fit_round.py", first) is None)
    kept = folder / chain / "round0/metrics.json"
    before = kept.stat().st_mtime_ns
    assert not (folder / target).exists()
    second = submit()
    wait_for("the chain", lambda: state_of(second) in ("COMPLETED", "FAILED", "TIMEOUT"))
    log = Path(folder / f"chain-{second}.log").read_text()
    assert state_of(second) == "COMPLETED", log
    assert kept.stat().st_mtime_ns == before, "a finished round was repeated"
    assert "fit_round0" not in log
    for name in ("round0/predictions.tsv", "entropy/round1/predictions.tsv"):
        path = f"{chain}/{name}"
        assert (folder / path).read_bytes() == (reference / path).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--set-resources", "tapt:mem_mb=100000"],
            r"rule tapt .*1 GPU, .*largest is gpu",
        ),
        (["--set-resources", "tapt:gpu=3"], r"rule tapt .*3 GPUs"),
        # and not what this machine has: profiles/default says `cores: all`
        (["--config", "threads=9"], r"rule fit_round .*1 GPU, 9 CPUs"),
        (["--set-resources", "make_fold:slurm_partition=long"], r"sent to partition long"),
        (["--slurm-array-jobs", "all"], r"expected no --slurm-array-jobs"),
    ],
)
def test_what_can_never_start_is_not_submitted(cluster, config_file, tmp_path, arguments, message):
    before = len(cluster.jobs())
    run = run_on_slurm(tmp_path, config_file, *arguments)
    assert run.status != 0 and re.search(message, run.output), run.output[-3000:]
    assert "Traceback" not in run.output
    assert len(cluster.jobs()) == before and not (tmp_path / "results").exists()


def _scontrol(*arguments: str) -> None:
    subprocess.run(["scontrol", *arguments], check=True, capture_output=True, text=True)
