"""Every strategy in the workflow: its query job, what it may see, and its independence."""

from pathlib import Path

import pytest
from workflow_runs import (
    AL,
    DATASET,
    beyond_summaries,
    contents,
    copy_run,
    pending,
    succeed,
    table,
    tiny,
    write_config,
)

from after_ser.run.atomic import write_tsv
from after_ser.select.budget import labelled_count
from after_ser.select.registry import STRATEGIES

pytestmark = pytest.mark.slow

SEED = f"{AL}/tapt/merged/fold1/kmeans/seed0"
FROM_FEATURES = sorted(name for name in STRATEGIES if STRATEGIES[name].reads)
QUERIES = [f"{SEED}/{name}/round1/query.tsv" for name in FROM_FEATURES]


def with_all_strategies() -> dict:
    config = tiny()
    config["strategies"] = {"alps": {"mask_span": 3, "bins": 10}, "batchbald": {"passes": 4}}
    for name in FROM_FEATURES:
        arm = {"label": name, "start": "tapt", "init": "kmeans", "strategy": name}
        config["arms"][f"kmeans-{name.replace('_', '-')}"] = arm
        config["figures"]["figure2"]["arms"].append(f"kmeans-{name.replace('_', '-')}")
    return config


@pytest.fixture(scope="module")
def queried(tiny_run, tmp_path_factory):
    """A copy of the tiny run in which each of these strategies has made its first query."""
    folder = copy_run(tiny_run, tmp_path_factory.mktemp("strategies") / "run")
    config = write_config(folder.parent / "all.yaml", with_all_strategies())
    succeed(folder, config, *QUERIES)
    return folder, config


def test_a_new_strategy_plans_its_own_arm_and_nothing_else(tiny_run, tmp_path):
    folder = copy_run(tiny_run, tmp_path / "run")
    planned = pending(folder, write_config(tmp_path / "all.yaml", with_all_strategies()))
    foreign = {
        path
        for path in beyond_summaries(planned)
        if not any(f"/kmeans/seed0/{name}/" in path for name in FROM_FEATURES)
        and not path.endswith(("surprisal.npy", "surprisal_timing.json"))
    }
    assert not foreign
    assert sum(path.endswith("query.tsv") for path in planned) == 2 * len(FROM_FEATURES)


def test_every_strategy_asks_for_exactly_the_budget_from_the_pool(queried):
    folder, _ = queried
    pool = set(table(folder, f"{SEED}/round0/pool.tsv")["utt"])
    known = list(table(folder, f"{SEED}/round0/labelled.tsv")["utt"])
    train = len(pool) + len(known)
    chosen = {}
    for name, path in zip(FROM_FEATURES, QUERIES, strict=True):
        query = table(folder, path)
        assert len(query) == labelled_count(0.25, train) - len(known)
        assert set(query["utt"]) <= pool and query["utt"].is_unique
        labelled = table(folder, path.replace("query", "labelled"))
        assert list(labelled["utt"]) == known + list(query["utt"])
        chosen[name] = frozenset(query["utt"])
    assert len(set(chosen.values())) > len(FROM_FEATURES) / 2, "the strategies differ"
    batch = table(folder, f"{SEED}/batchbald/round1/query.tsv")
    assert {"information_gain", "picked_by"} <= set(batch.columns)


def test_no_query_depends_on_a_label(queried, tmp_path):
    """Poison every label but the known clips' choice of rows: the queries stay byte for byte."""
    folder = copy_run(queried[0], tmp_path / "run")
    before = contents(folder)
    manifest = table(folder, f"{DATASET}/manifest.tsv")
    classes = sorted(set(manifest["label"]))
    manifest["label"] = manifest["label"].map(
        dict(zip(classes, [*classes[1:], classes[0]], strict=True))
    )
    write_tsv(folder / DATASET / "manifest.tsv", manifest)
    labelled = table(folder, f"{SEED}/round0/labelled.tsv")
    labelled["label"] = "anger"
    write_tsv(folder / f"{SEED}/round0/labelled.tsv", labelled)
    rule = "acquire_with_features"
    succeed(folder, queried[1], *QUERIES, "--forcerun", rule, "--allowed-rules", rule)
    after = contents(folder)
    for path in QUERIES:
        assert after[path] == before[path], path
        answered = path.replace("query", "labelled")
        assert after[answered] != before[answered], "the poison reaches the oracle"


#: What is done for the strategy of tests/longest_gradient.py: one line in the registry.
REGISTER = """
from after_ser.select.registry import MODEL, STRATEGIES, Entry, Feature

STRATEGIES["longest_gradient"] = Entry(
    "longest_gradient:LongestGradient",
    (Feature("gradients", "longest_gradient:gradients", MODEL),),
    per_clip=True,
)
"""


def test_a_strategy_that_needs_gradients_is_one_file_and_one_line(tiny_run, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(REGISTER, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[1]}")
    folder, config = copy_run(tiny_run, tmp_path / "run"), tiny()
    arm = {"label": "own", "start": "tapt", "init": "kmeans", "strategy": "longest_gradient"}
    config["arms"]["own"] = arm
    config["figures"]["figure2"]["arms"].append("own")
    query = f"{SEED}/longest_gradient/round1/query.tsv"
    succeed(folder, write_config(tmp_path / "own.yaml", config), query)
    chosen, pool = table(folder, query), table(folder, f"{SEED}/round0/pool.tsv")
    assert set(chosen["utt"]) <= set(pool["utt"]) and len(chosen)
    scores = chosen["score"].astype(float)
    assert scores.is_monotonic_decreasing and scores.min() > 0
