"""Robustness, injected clips and erring annotators in the workflow: complete, and apart."""

import json

import pytest
from workflow_runs import (
    AL,
    SPLIT,
    TINY,
    beyond_summaries,
    contents,
    copy_run,
    pending,
    resolved,
    snakemake,
    succeed,
    table,
    tiny,
    write_config,
)

from after_ser.judge.grid import robustness_cells

pytestmark = pytest.mark.slow

INJECTED = f"{SPLIT}/datasets/injected"
NOISY = f"{SPLIT}/al/noisy/toy/pretrained/injected"
ARMS = {"noisy-margin": "margin", "noisy-random": "random"}


def robust(config):
    config["tables"]["robustness"] = {
        "dataset": "merged",
        "arms": ["after", "tapt-random"],
        "budget": {"after": 0.25},
        "conditions": {"white": [10], "babble": [5], "reverb": [0.3], "telephone": [3400],
                       "coding": [6]},
    }  # fmt: skip
    config["figures"]["robustness"] = {}
    return config


def outliers(config):
    config["corpora"]["toy-ravdess"] = {"layout": "ravdess", "synthetic": {"clips": 20}}
    config["datasets"]["injected"] = {
        **config["datasets"]["merged"],
        "inject": {"duplicates": 0.15, "foreign": {"corpus": "toy-ravdess", "share": 0.1}},
    }
    config["protocols"]["noisy"] = {**config["protocols"]["paper"], "oracle": {"label_noise": 0.2}}
    for arm, strategy in ARMS.items():
        config["arms"][arm] = {"label": arm, "start": "pretrained", "strategy": strategy,
                               "protocol": "noisy"}  # fmt: skip
    config["tables"]["outliers"] = {
        "dataset": "injected",
        "arms": ["noisy-margin"],
        "random": "noisy-random",
        "budgets": [0.25],
    }
    return config


@pytest.fixture(scope="module")
def noisy_run(tiny_run, tmp_path_factory):
    root = tmp_path_factory.mktemp("noise")
    folder = copy_run(tiny_run, root / "run")
    config = write_config(root / "noise.yaml", outliers(robust(tiny())))
    succeed(folder, config)
    return folder, config


def test_robustness_trains_nothing_and_tests_the_models_asked_for(tiny_run, tmp_path):
    config = robust(tiny())
    found = beyond_summaries(pending(tiny_run, write_config(tmp_path / "robust.yaml", config)))
    cells = robustness_cells(resolved(config))
    assert {(cell.arm, cell.budget) for cell in cells} == {("after", 0.25), ("tapt-random", 0.5)}
    assert found == {cell.robustness for cell in cells} and len(found) == 4


def test_clean_clips_give_the_ua_of_metrics_json(noisy_run):
    folder, _ = noisy_run
    for cell in robustness_cells(resolved(robust(tiny()))):
        scores = table(folder, cell.robustness)
        metrics = json.loads((folder / cell.metrics).read_text())["test"]
        for name in ("ua", "wa", "macro_f1"):
            assert scores[name][0] == f"{metrics[name]:.6f}"
        assert list(scores["condition"]) == [
            "clean", "white", "babble", "reverb", "telephone", "coding",
        ]  # fmt: skip
        assert set(scores["n"]) == {str(metrics["n"])}


def test_everything_is_written_and_nothing_that_was_there_changes(noisy_run, tiny_run):
    folder, config = noisy_run
    results = folder / "results/tiny"
    for name in ("tables/robustness", "tables/outliers"):
        for kind in ("tsv", "md", "tex", "html"):
            assert (results / f"{name}.{kind}").stat().st_size > 0
    for kind in ("svg", "png", "html", "tsv"):
        assert (results / f"figures/robustness.{kind}").stat().st_size > 0
    before, after = contents(tiny_run), contents(folder)
    kept = beyond_summaries(before)
    assert len(kept) > 100 and not [path for path in kept if after[path] != before[path]]
    assert "Nothing to be done" in snakemake(folder, config).output


def test_injected_clips_are_in_train_with_their_sources_and_the_audit_says_so(noisy_run):
    folder, _ = noisy_run
    injected = table(folder, f"{INJECTED}/injected.tsv")
    source = injected.set_index("utt")["source"]
    manifest = table(folder, f"{INJECTED}/manifest.tsv").set_index("utt")
    audit = json.loads((folder / INJECTED / "audit.json").read_text())
    assert audit["violations"] == []
    absent = 0
    for number in (1, 2):
        split = table(folder, f"{INJECTED}/fold{number}.tsv").set_index("utt")["split"]
        here = [utt for utt in injected["utt"] if utt in split.index]
        absent += len(injected) - len(here)
        assert {split[utt] for utt in here} == {"train"}
        near = [utt for utt in here if source[utt]]
        assert near and {split[source[utt]] for utt in near} == {"train"}
        train = (split == "train").sum()
        assert len(near) == pytest.approx(0.15 * train, abs=0.51)
        assert len(here) - len(near) == pytest.approx(0.1 * train, abs=0.51)
        assert audit["folds"][str(number)]["injected"]["duplicate"] == len(near)
    assert absent > 0
    assert all((folder / path).is_file() for path in manifest.loc[injected["utt"], "path"])


def test_annotators_err_for_train_clips_alone_and_alike_for_every_arm(noisy_run):
    folder, _ = noisy_run
    truth = table(folder, f"{INJECTED}/manifest.tsv").set_index("utt")["label"]
    answered = {}
    for strategy in ARMS.values():
        for fold in (1, 2):
            path = f"{NOISY}/fold{fold}/kmeans/seed0/{strategy}/round1"
            labelled = table(folder, f"{path}/labelled.tsv")
            assert list(labelled["votes"]) == [f"{label}:1" for label in labelled["label"]]
            for utt, label in zip(labelled["utt"], labelled["label"], strict=True):
                assert answered.setdefault(utt, label) == label
            held_out = table(folder, f"{path}/predictions.tsv")
            assert list(held_out["label"]) == list(truth[held_out["utt"]])
    wrong = sum(label != truth[utt] for utt, label in answered.items())
    assert 0 < wrong < len(answered) / 2
    assert "votes" not in table(folder, f"{AL}/pretrained/merged/fold1/random/seed0/round0/"
                                        "labelled.tsv")  # fmt: skip


def test_another_oracle_asks_everything_of_its_protocol_again_and_nothing_else(noisy_run, tmp_path):
    folder, _ = noisy_run
    config = outliers(robust(tiny()))
    config["protocols"]["noisy"]["oracle"] = {"label_noise": 0.3}
    found = beyond_summaries(pending(folder, write_config(tmp_path / "other.yaml", config)))
    assert found and all(path.startswith(f"{SPLIT}/al/noisy/") for path in found)
    for strategy in ARMS.values():
        for fold in (1, 2):
            seed = f"{NOISY}/fold{fold}/kmeans/seed0"
            assert {
                f"{seed}/round0/labelled.tsv",
                f"{seed}/{strategy}/round1/labelled.tsv",
            } <= found
    same = beyond_summaries(pending(folder, TINY))
    assert not same
