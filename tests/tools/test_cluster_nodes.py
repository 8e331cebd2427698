"""Partitions, and the check that every request fits one before anything is submitted."""

from math import inf
from types import SimpleNamespace

import pytest

from after_ser.core.errors import InputError
from after_ser.tools.cluster import preflight
from after_ser.tools.cluster.nodes import Nodes, limits_of_file, nodes_of_sinfo, usable

SINFO = """cpu*|1-00:00:00|64000|16|(null)
gpu|30:00|128000|32|gpu:a100:4(S:0-1),shard:8
gpu|30:00|512000+|64|gpu:2
long|infinite|64000|16|gpu:h100:1,gpu:a100:2
"""
FILE = {
    "partitions": {
        "cpu": {"max_runtime": 600, "max_mem_mb": 32000, "max_threads": 8},
        "gpu": {"max_runtime": "2-00:00:00", "max_gpu": 1},
    }
}


def test_sinfo_is_read_with_slurm_s_own_times():
    nodes, default = nodes_of_sinfo(SINFO)
    assert default == "cpu"
    assert nodes[0] == Nodes("cpu", 1440, 64000, 16, 0)
    assert nodes[1] == Nodes("gpu", 30, 128000, 32, 4), "30:00 is half an hour"
    assert nodes[2] == Nodes("gpu", 30, 512000, 64, 2)
    assert nodes[3] == Nodes("long", inf, 64000, 16, 3)


def test_the_file_is_read_as_the_plugin_reads_it():
    content = {"partitions": {"x": {"max_runtime": "1d12h30m", "clusters": "other"}}}
    assert limits_of_file(content, "file") == [Nodes("x", 2190, gpus=0)]
    assert limits_of_file(FILE, "file")[0] == Nodes("cpu", 600, 32000, 8, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "file: expected `partitions:`"),
        ({"gpu": {}}, "file: expected `partitions:`"),
        ({"partitions": {"gpu": None}}, "partitions.gpu: "),
        ({"partitions": {"gpu": {"max_memory": 1}}}, "'max_memory'; expected limits"),
        ({"partitions": {"gpu": {"max_gpu": "two"}}}, "'two'; expected limits"),
        ({"partitions": {"gpu": {"max_threads": "all"}}}, "gpu: "),
        ({"partitions": {"gpu": {"max_runtime": "long"}}}, "long'"),
    ],
)
def test_a_partition_file_that_is_wrong_is_refused_in_one_line(content, message):
    with pytest.raises(InputError) as error:
        limits_of_file(content, "file")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_the_stricter_of_cluster_and_file_counts():
    there, default = nodes_of_sinfo(SINFO)
    nodes = usable(there, limits_of_file(FILE, "file"), default, "file")
    assert nodes[0] == Nodes("cpu", 600, 32000, 8, 0)
    assert nodes[1:] == [Nodes("gpu", 30, 128000, 32, 1), Nodes("gpu", 30, 512000, 64, 1)]
    assert usable(there, None, default, "file") == [there[0]], "the default partition"
    assert usable([], limits_of_file(FILE, "file"), None, "file") == limits_of_file(FILE, "file")
    with pytest.raises(InputError, match="no partition fast; expected one of cpu, gpu, long"):
        usable(there, limits_of_file({"partitions": {"fast": {}}}, "file"), default, "file")


PLACES = [
    Nodes("cpu", minutes=600, mem_mb=32000, cpus=8, gpus=0),
    Nodes("gpu", minutes=60, mem_mb=64000, cpus=16, gpus=2),
    Nodes("gpu-long", minutes=2880, mem_mb=16000, cpus=16, gpus=1),
]


def check(resources, threads=1):
    preflight.check_requests([("rule fit", threads, resources)], PLACES, PLACES)


@pytest.mark.parametrize(
    "resources",
    [
        {"mem_mb": 32000, "runtime": 600},
        {"mem_mb": 16000, "runtime": 2880, "gpu": 1},
        {"mem_mb": 64000, "runtime": 60, "gres": "gpu:a100:2"},
        {"mem_mb_per_cpu": 4000, "cpus_per_task": 16, "runtime": 60},
        {"mem_mb": "<TBD>", "runtime": 60},
        {"mem_mb": 1000, "runtime": 9999, "clusters": "another"},
    ],
)
def test_what_fits_one_partition_passes(resources):
    check(resources)


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"mem_mb": 64001, "runtime": 60}, "0 GPUs, 1 CPU, 64001 MB and 60 min"),
        ({"mem_mb": 20000, "runtime": 100, "gpu": 1}, "the largest is gpu-long: 1 GPU, 16 CPUs"),
        ({"runtime": 60, "gpu": 3}, "rule fit asks for 3 GPUs"),
        ({"runtime": 60, "gres": "gpu:3"}, "rule fit asks for 3 GPUs"),
        ({"runtime": 60, "cpus_per_task": 17}, "17 CPUs"),
        ({"mem_mb_per_cpu": 5000, "cpus_per_task": 16, "runtime": 60}, "80000 MB"),
        ({"runtime": 2881}, "2881 min, which no partition has (the largest is gpu-long"),
        ({"slurm_partition": "cpu", "gpu": 1}, "the largest is cpu: 0 GPUs"),
        ({"slurm_partition": "none"}, "sent to partition none, which this cluster does not have"),
    ],
)
def test_what_fits_none_is_named_with_the_largest(resources, message):
    with pytest.raises(InputError) as error:
        check(resources)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert "rule fit" in str(error.value)


def settings(**changes):
    return SimpleNamespace(
        **{"status_command": "sacct", "array_jobs": None, "partition_config": None, **changes}
    )


def answers(monkeypatch, storage):
    texts = {"scontrol": f"AccountingStorageType   = {storage}\n", "sinfo": SINFO}
    monkeypatch.setattr(preflight, "_output", lambda command: texts[command[0]])


def test_a_cluster_without_accounting_needs_its_switches(monkeypatch):
    answers(monkeypatch, "accounting_storage/none")
    with pytest.raises(InputError, match="--slurm-status-command squeue --slurm-no-account"):
        preflight.before_submission(settings(), [])
    preflight.before_submission(settings(status_command="squeue"), [])
    answers(monkeypatch, "accounting_storage/slurmdbd")
    preflight.before_submission(settings(), [])


def test_array_jobs_are_refused(monkeypatch):
    answers(monkeypatch, "accounting_storage/slurmdbd")
    with pytest.raises(InputError, match="no --slurm-array-jobs"):
        preflight.before_submission(settings(array_jobs="all"), [])


def test_the_file_is_that_of_the_option_or_of_the_environment(monkeypatch, tmp_path):
    answers(monkeypatch, "accounting_storage/slurmdbd")
    job = [("rule fit", 1, {"runtime": 60, "gpu": 1})]
    with pytest.raises(InputError, match="largest is cpu"):  # the default partition has none
        preflight.before_submission(settings(), job)
    path = tmp_path / "partitions.yaml"
    path.write_text("partitions: {long: {max_gpu: 1}}", encoding="utf-8")
    expected = [Nodes("long", inf, 64000, 16, 1)]
    assert preflight.before_submission(settings(partition_config=path), job) == expected
    monkeypatch.setenv("SNAKEMAKE_SLURM_PARTITIONS", str(path))
    assert preflight.before_submission(settings(), job) == expected
    with pytest.raises(InputError, match=r"missing.yaml: .*expected a partition file"):
        preflight.before_submission(settings(partition_config=tmp_path / "missing.yaml"), job)


def test_without_slurm_s_commands_only_the_file_counts(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert preflight.before_submission(settings(), [("rule fit", 1, {"gpu": 9})]) == []
