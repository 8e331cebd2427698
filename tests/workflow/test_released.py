"""The released code's protocol from end to end: its split, its rounds, and the table of both."""

import json

import numpy as np
import pytest
from scipy.special import entr
from workflow_runs import snakemake, succeed, table, tiny, write_config

from after_ser.select.budget import labelled_count

pytestmark = pytest.mark.slow

PAPER = "results/tiny/paper/al"
RELEASED = "results/tiny/released/al/released/toy/pretrained/merged/fold1/kmeans/seed0"


def switches():
    """The tiny config with few arms: the paper's protocol, one slip, the released one; Eq. 1."""
    config = tiny()
    paper = config["protocols"]["paper"]
    config["folds"] = [1]
    config["protocols"] |= {
        "argpartition": {**paper, "selection": "argpartition"},
        "released": {
            **paper, "warm_start": False, "head": "relu-mean-linear", "class_weights": "balanced",
            "max_epochs": 3, "patience": 1, "shuffle": False, "drop_last": True, "restore": "last",
            "crop": "head", "spec_augment": True, "selection": "argpartition", "budget_shift": 1,
            "initial": "released",
        },
    }  # fmt: skip
    config["tapt"]["tapt-eq1"] = {**config["tapt"]["tapt"], "objective": "eq1"}
    arm = {"label": "paper", "start": "pretrained", "init": "kmeans", "strategy": "entropy"}
    once = {"label": "once", "strategy": "random", "schedule": "oneshot"}
    config["arms"] = {
        "paper": arm,
        "slip": {**arm, "label": "argpartition", "protocol": "argpartition"},
        "released": {**arm, "label": "released", "protocol": "released", "split": "released"},
        "none": {**once, "start": "pretrained"},
        "eq1": {**once, "start": "tapt-eq1"},
    }
    config["tables"] = {
        "protocol_effect": {
            "dataset": "merged", "baseline": "paper", "arms": ["slip", "released"],
            "budgets": [0.25],
        },
        "tapt_ablation": {
            "dataset": "merged", "arms": {"None": "none", "Eq. 1": "eq1"}, "budgets": [0.25],
        },
    }  # fmt: skip
    return {**config, "figures": {}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    config = write_config(folder / "switches.yaml", switches())
    succeed(folder, config)
    return folder, config


def test_val_and_test_are_halves_and_the_audit_expects_it(run):
    folder, _ = run
    datasets = "results/tiny/released/datasets/merged"
    audit = json.loads((folder / datasets / "audit.json").read_text(encoding="utf-8"))
    assert audit["violations"] == [] and "test speakers are in both" in audit["expected"][0]
    sizes = {name: part["clips"] for name, part in audit["folds"]["1"]["splits"].items()}
    assert sizes["test"] - sizes["val"] in (0, 1)
    paper = folder / "results/tiny/paper/datasets/merged/audit.json"
    assert "expected" not in json.loads(paper.read_text(encoding="utf-8"))


def test_rounds_are_the_released_ones(run):
    folder, _ = run
    metrics = json.loads((folder / RELEASED / "entropy/round1/metrics.json").read_text())
    assert metrics["budget"] == 0.25
    assert metrics["labelled"] == labelled_count(0.5, metrics["n_train"])
    assert metrics["best_epoch"] == metrics["epochs"] == 3
    model = json.loads((folder / RELEASED / "entropy/round1/model/config.json").read_text())
    assert model["spec_augment"] is True and model["head"] == "relu-mean-linear"
    initial = table(folder, f"{RELEASED}/initial.tsv")
    assert list(initial["cluster"][:4]) == ["0", "1", "2", "0"]


def test_a_slip_of_selection_starts_from_the_paper_s_round_0(run):
    folder, _ = run
    assert not list((folder / PAPER / "argpartition").rglob("round0"))
    settings = {
        name: json.loads((folder / PAPER / name / "toy/pretrained/settings.json").read_text())
        for name in ("paper", "argpartition")
    }
    assert settings["argpartition"] == {**settings["paper"], "selection": "argpartition"}
    chain = "toy/pretrained/merged/fold1/kmeans/seed0"
    pool = table(folder, f"{PAPER}/paper/{chain}/round0/pool.tsv").sort_values("utt")
    scores = entr(pool.iloc[:, 1:].to_numpy(dtype=float)).sum(axis=1)
    found = {
        name: list(table(folder, f"{PAPER}/{name}/{chain}/entropy/round1/query.tsv")["utt"])
        for name in ("paper", "argpartition")
    }
    k = len(found["paper"])
    assert found["paper"] == list(pool["utt"].iloc[np.argsort(-scores, kind="stable")[:k]])
    assert found["argpartition"] == list(pool["utt"].iloc[np.argpartition(scores, k)[-k:]])


def test_both_tables_are_there_and_nothing_is_left_to_do(run):
    folder, config = run
    effect = table(folder, "results/tiny/tables/protocol_effect.tsv")
    values = effect.set_index(["row", "metric"])["mean"]
    assert float(values["paper", "overlap"]) == 100
    assert 0 <= float(values["argpartition", "overlap"]) <= 100
    assert float(values["released", "labelled"]) > 40 > float(values["paper", "labelled"])
    notes = effect.set_index(["row", "metric"])["note"]
    assert notes["released", "dUA"] == "other test clips: not paired"
    ablation = table(folder, "results/tiny/tables/tapt_ablation.tsv")
    assert {"fold 1", "over folds", "minus None", "fold 1, seed 0"} == set(ablation["column"])
    assert "Nothing to be done" in snakemake(folder, config).output
