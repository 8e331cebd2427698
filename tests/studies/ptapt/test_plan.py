"""P-TAPT in the config and in the plan: who may start from it, and what it makes anew."""

import copy

import pytest
from refusals import refused
from workflow_runs import beyond_summaries, pending, resolved, tiny, write_config

from after_ser.judge.grid import cells

FIRST = {
    "scratch": {"channels": 8, "aggregator": [2, 3]}, "steps": 4, "batch_size": 8, "crop_s": 1,
    "clusters": [4, 8], "iterations": 2,
}  # fmt: skip
STATES = {
    "states.safetensors", "states.json", "history.tsv", "timing.json", "clusters.npy", "index.tsv",
    "clusters.json", "clusters_timing.json",
}  # fmt: skip


def with_ptapt():
    config = tiny()
    config["budget"] = [*config["budget"], 1.0]
    variant = {**config["tapt"]["tapt"], "objective": "p-tapt", "first_stage": copy.deepcopy(FIRST)}
    config["tapt"]["p-tapt"] = variant
    oneshot = {"strategy": "random", "schedule": "oneshot"}
    config["arms"] |= {
        "vft": {"label": "V-FT", "start": "pretrained", **oneshot},
        "ptapt": {"label": "P-TAPT", "start": "p-tapt", **oneshot},
    }
    arms = {"V-FT": "vft", "TAPT": "tapt-random", "P-TAPT": "ptapt"}
    config["tables"]["tapt_sessions"] = {"dataset": "merged", "arms": arms}
    return config


def change(config, path, value):
    *parents, key = path.split("/")
    for parent in parents:
        config = config[parent]
    if value is None:
        del config[key]
    else:
        config[key] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("arms/ptapt/schedule", "iterative", "schedule oneshot, at budget 1.0"),
        ("tables/table4/columns", {"P-TAPT": "ptapt"}, "table4: ptapt at 0.5,"),
        ("protocols/paper/oracle", {"label_noise": 0.1}, "whose oracle never errs"),
        ("tapt/p-tapt/first_stage", None, "first_stage belongs to objective p-tapt"),
        ("tapt/tapt/first_stage", FIRST, "first_stage belongs to objective p-tapt"),
        ("tapt/p-tapt/first_stage/checkpoint", "w.pt", "checkpoint and scratch"),
        ("tapt/p-tapt/first_stage/scratch", None, "checkpoint and scratch"),
        ("tapt/p-tapt/first_stage/cluster", [2], 'unknown key "cluster"'),
        ("tapt/p-tapt/objective", "p-tapt+eq1", "tapt.p-tapt: pre-training: objective"),
        ("tapt/tapt/objective", "eq3", "tapt.tapt: pre-training: objective 'eq3'"),
        ("tables/tapt_sessions/budgets", [0.5], "tables.tapt_sessions.budgets"),
        ("tables/tapt_sessions/arms", {"a": "ptapt", "b": "tapt-random"}, "0 arms start from"),
        (
            "tables/tapt_sessions/arms",
            {"a": "ft-rounds", "b": "ptapt"},
            "ft-rounds … expected one-shot",
        ),
        ("tables/tapt_sessions/arms", {"a": "vft", "b": "nobody"}, 'no arm "nobody"'),
        ("budget", [0.1, 0.25, 0.5], "tables.tapt_sessions: 1.0 "),
    ],
)
def test_mistakes_are_named_on_one_line(path, value, message):
    config = with_ptapt()
    resolved(config)
    change(config, path, value)
    with refused(message):
        resolved(config)


def test_the_defaults_of_the_first_stage_are_the_authors():
    config = with_ptapt()
    config["tapt"]["p-tapt"]["first_stage"] = {"checkpoint": "wav2vec_large.pt"}
    first = resolved(config)["tapt"]["p-tapt"]["first_stage"]
    assert first == {
        "checkpoint": "wav2vec_large.pt", "steps": 10000, "batch_size": 64,
        "learning_rate": 0.0001, "warmup": 0.05, "flat": 0.05, "crop_s": 10, "val_share": 0.1,
        "checkpoint_every": 500, "clusters": [64, 512, 4096], "iterations": 20,
    }  # fmt: skip
    assert "first_stage" not in resolved(config)["tapt"]["tapt"], "no setting of other starts"


def test_its_cost_is_that_of_all_three_stages_and_it_has_no_latents_of_its_own():
    config = resolved(with_ptapt())
    (cell,) = [c for c in cells(config) if c.arm == "ptapt" and c.fold == 1]
    root, own = "results/tiny/paper", "p-tapt/merged/fold1/seed0"
    assert cell.lineage == [
        ("tapt", f"{root}/tapt/toy/{own}/timing.json"),
        ("tapt", f"{root}/ptapt/{own}/timing.json"),
        ("tapt", f"{root}/ptapt/{own}/clusters_timing.json"),
        ("latents", f"{root}/latents/toy/pretrained/merged/timing.json"),
        ("fit", f"{cell.folder}/timing.json"),
    ]
    assert cell.budget == 1.0


@pytest.mark.slow
def test_it_plans_its_own_stages_and_nothing_that_exists(tiny_run, tmp_path):
    config = with_ptapt()
    config["tables"]["tapt_sessions"]["arms"] = {"V-FT": "vft", "P-TAPT": "ptapt"}
    found = beyond_summaries(pending(tiny_run, write_config(tmp_path / "p.yaml", config)))
    stages = {
        f"paper/ptapt/p-tapt/merged/fold{fold}/seed0/{name}" for fold in (1, 2) for name in STATES
    }
    tapt = {name for name in found if "/tapt/toy/" in name}
    assert {name.removeprefix("results/tiny/") for name in found if "/ptapt/" in name} == stages
    assert tapt and all("/tapt/toy/p-tapt/merged/" in name for name in tapt)
    rest = found - tapt - {f"results/tiny/{name}" for name in stages}
    fits = [f"al/paper/toy/{start}/merged/fold" for start in ("pretrained", "p-tapt")]
    assert rest and all(any(fit in name for fit in fits) for name in rest), sorted(rest)
    assert all("/oneshot/seed0/random/round3/" in name for name in rest)
