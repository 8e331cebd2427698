"""What rules hand to scripts: each file is that of the job's own fold, seed, start and round.

What the library does with its inputs is tested elsewhere; with a wrong file it does that, too.
Expectations are read from the paths of outputs, and not from the cells that the rules ask.
"""

import os
import re
import sys
from types import SimpleNamespace
from unittest import mock

import pandas as pd
import pytest
from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    ResourceSettings,
    WorkflowSettings,
)
from snakemake_interface_executor_plugins.settings import ExecMode
from workflow_runs import REPO, script

from after_ser.run.atomic import write_tsv

ROUND = re.compile(
    r"(?P<base>results/[^/]+/(?P<split>[^/]+))/al/(?P<protocol>[^/]+)/(?P<backbone>[^/]+)/"
    r"(?P<start>[^/]+)/(?P<dataset>[^/]+)/fold(?P<fold>\d+)/(?P<init>[^/]+)/seed(?P<seed>\d+)/"
    r"(?:(?P<strategy>[^/]+)/)?round(?P<round>\d+)"
)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A list of (rule, inputs by name, outputs, params) of every job of the full demo."""
    with (
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "path", sys.path.copy()),
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=True)) as api,
    ):
        before = os.getcwd()
        workflow = api.workflow(
            ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[REPO / "config/demo-full.yaml"]),
            workflow_settings=WorkflowSettings(exec_mode=ExecMode.SUBPROCESS),
            snakefile=REPO / "Snakefile",
            workdir=tmp_path_factory.mktemp("planned"),
        )
        try:
            made = workflow.dag(DAGSettings(forceall=True)).workflow_api._workflow
            made._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
            made._build_dag()
            config = made.globals["CONFIG"]
            jobs = [
                SimpleNamespace(
                    rule=job.rule.name,
                    input={name: paths(value) for name, value in job.input.items()},
                    output=paths(job.output),
                    params=dict(job.params.items()),
                )
                for job in made.dag.jobs
            ]
        finally:
            os.chdir(before)
    return SimpleNamespace(config=config, jobs=jobs)


def paths(value):
    return [str(value)] if isinstance(value, str) else [str(path) for path in value]


def of(planned, *rules):
    """Return (job, what its first output's path says) of every job of `rules`; at least two."""
    found = [
        (job, ROUND.match(job.output[0]).groupdict()) for job in planned.jobs if job.rule in rules
    ]
    assert len(found) > 1
    return found


def start_of(planned, at):
    """Return the folder of the model that a round starts from, and of its latents."""
    base, start = at["base"], at["start"]
    latents = f"{base}/latents/{at['backbone']}"
    plain = f"{latents}/pretrained/{at['dataset']}"
    if start == "pretrained":
        return f"{os.path.dirname(base)}/backbone/{at['backbone']}", plain
    one = planned.config["tapt"][start]
    seed = at["seed"] if one["seed_per_run"] else 0
    rest = f"{start}/{at['dataset']}/fold{at['fold']}/seed{seed}"
    keeps_cnn = one["objective"].startswith("p-tapt") or "pseudo" in one["objective"]
    return f"{base}/tapt/{at['backbone']}/{rest}", plain if keeps_cnn else f"{latents}/{rest}"


def before(at):
    """Return a pattern of the folder of the round before: round 0 may be another protocol's."""
    seed = rf"{at['backbone']}/{at['start']}/{at['dataset']}/fold{at['fold']}/{at['init']}/seed"
    number = int(at["round"]) - 1
    if number:
        place = f"{at['protocol']}/{seed}{at['seed']}/{at['strategy']}/round{number}"
    else:
        place = f"[^/]+/{seed}{at['seed']}/round0"
    return re.compile(f"{re.escape(at['base'])}/al/{place}")


def test_a_fit_gets_its_own_fold_labels_start_and_latents(planned):
    for job, at in of(planned, "fit_round", "fit_round0"):
        start, latents = start_of(planned, at)
        dataset = f"{at['base']}/datasets/{at['dataset']}"
        assert job.input["fold"] == [f"{dataset}/fold{at['fold']}.tsv"]
        assert job.input["manifest"] == [f"{dataset}/manifest.tsv"]
        assert job.input["labelled"] == [f"{os.path.dirname(job.output[0])}/labelled.tsv"]
        assert job.input["start"] == [f"{start}/model.safetensors"]
        assert job.input["latents"] == [f"{latents}/latents.npy"]
        assert job.params["fraction"] == planned.config["budget"][int(at["round"])]
        assert job.params["step"][1] == int(at["round"])


def test_a_warm_start_goes_on_from_the_model_of_the_round_before(planned):
    warm = 0
    for job, at in of(planned, "fit_round"):
        goes_on = planned.config["protocols"][at["protocol"]]["warm_start"]
        if at["init"] == "oneshot" or not goes_on:
            assert job.input["previous"] == []
            continue
        warm += 1
        folders = {path.rpartition("/model/")[0] for path in job.input["previous"]}
        assert len(job.input["previous"]) == 2 and len(folders) == 1
        assert before(at).fullmatch(folders.pop())
    assert warm > 10


def test_a_query_sees_the_pool_and_the_labels_of_the_round_before(planned):
    for job, at in of(planned, "acquire", "acquire_with_features"):
        for name in ("pool", "labelled"):
            (path,) = job.input[name]
            assert before(at).fullmatch(os.path.dirname(path)) and path.endswith(f"/{name}.tsv")
        assert job.input["manifest"] == [f"{at['base']}/datasets/{at['dataset']}/manifest.tsv"]
        start = f"{at['protocol']}/{at['backbone']}/{at['start']}"
        assert job.input["settings"] == [f"{at['base']}/al/{start}/settings.json"]


def test_a_strategy_that_looks_into_a_model_looks_into_that_of_the_round_before(planned):
    reads = set()
    for job, at in of(planned, "acquire_with_features"):
        _, latents = start_of(planned, at)
        for name, files in job.input.items():
            if name == "model":
                assert all(before(at).match(path) for path in files)
            elif name == "latents":
                assert {os.path.dirname(path) for path in files} == {latents}
            elif name in ("cnn_latents", "surprisal"):
                assert all(f"/{at['dataset']}/" in path for path in files)
            reads.add(name)
    assert {"model", "latents"} <= reads


def test_the_initial_set_is_drawn_from_the_backbone_s_latents_of_its_dataset(planned):
    latents = 0
    for job in planned.jobs:
        if job.rule != "initial_set":
            continue
        at = ROUND.match(next(path for path in job.output if "/round0/" in path)).groupdict()
        dataset = f"{at['base']}/datasets/{at['dataset']}"
        assert job.input["fold"] == [f"{dataset}/fold{at['fold']}.tsv"]
        pretrained = f"{at['base']}/latents/{at['backbone']}/pretrained/{at['dataset']}"
        expected = [f"{pretrained}/latents.npy"] if at["init"] == "kmeans" else []
        assert job.input["latents"] == expected
        latents += len(expected)
    assert latents


def test_tapt_hears_its_own_fold_and_its_latents_are_its_own(planned):
    kinds = set()
    for job in planned.jobs:
        if job.rule not in ("tapt", "tapt_latents", "tapt_surprisal", "ptapt", "ptapt_states"):
            continue
        kinds.add(job.rule)
        found = re.match(
            r"(results/[^/]+)/([^/]+)/\w+/(?:[^/]+/)?[^/]+/([^/]+)/fold(\d+)/seed(\d+)/",
            job.output[0],
        )
        run, split, dataset, fold, _ = found.groups()
        place = f"{run}/{split}/datasets/{dataset}"
        for name, expected in {"manifest": "manifest.tsv", "fold": f"fold{fold}.tsv"}.items():
            if name in job.input:
                assert job.input[name] == [f"{place}/{expected}"]
        if job.rule in ("tapt", "ptapt"):
            assert job.input["weights"] == [f"{run}/backbone/{planned.config['backbone']}/"
                                            "model.safetensors"]  # fmt: skip
        elif job.rule in ("tapt_latents", "tapt_surprisal"):
            own = os.path.dirname(job.output[0]).replace("/latents/", "/tapt/")
            assert job.input["weights"] == [f"{own}/model.safetensors"]
    assert {"tapt", "tapt_latents"} <= kinds


def test_other_systems_get_the_fold_of_their_row(planned):
    found = [job for job in planned.jobs if job.rule.startswith("fit_baseline")]
    assert found
    for job in found:
        dataset, fold = re.search(r"/([^/]+)/fold(\d+)/seed", job.output[0]).groups()
        assert all(path.endswith(f"/{dataset}/fold{fold}.tsv") for path in job.input["fold"])
        assert all(f"/{dataset}/" in path for path in job.input["manifest"])


# what a script hands to the library


@pytest.fixture
def dataset(tmp_path):
    """The tables of a dataset of ten clips; no audio is read."""
    utts = [f"c/{number}" for number in range(10)]
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    manifest = pd.DataFrame(
        {"utt": utts, "corpus": "c", "path": [f"{utt}.flac" for utt in utts], "speaker": "c/s"}
    ).assign(label=["anger", "sad"] * 5, duration_s="1.0", sha256=utts, session="")
    write_tsv(tmp_path / "manifest.tsv", manifest)
    write_tsv(tmp_path / "fold1.tsv", pd.DataFrame({"utt": utts, "split": splits}))
    return SimpleNamespace(
        folder=tmp_path,
        of={name: [u for u, s in zip(utts, splits, strict=True) if s == name] for name in splits},
    )


def test_tapt_is_given_every_train_clip_and_no_other(dataset, monkeypatch):
    """A test that compares models does not see a test clip that the few steps did not hear."""
    module, given = script("tapt"), {}
    monkeypatch.setattr(module, "pretrain", lambda **told: given.update(told))
    folder = dataset.folder
    module.main(
        SimpleNamespace(
            input=SimpleNamespace(
                weights=str(folder / "backbone/model.safetensors"),
                manifest=str(folder / "manifest.tsv"),
                fold=str(folder / "fold1.tsv"),
            ),
            output=SimpleNamespace(weights=str(folder / "out/model.safetensors")),
            params=SimpleNamespace(
                settings={}, dataset="c", fold=1, seed=0, state="s", device="cpu", threads=1
            ),
            resources=SimpleNamespace(accumulation=1),
        )
    )
    assert [clip.utt for clip in given["clips"]] == dataset.of["train"]
    assert given["start"] == folder / "backbone" and given["targets"] is None
    assert given["seed"] == ("tapt", "c", 1, 0)
