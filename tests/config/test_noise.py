"""What the config may say on noise, and what its mistakes are called."""

import copy

import pytest
from refusals import refused

from after_ser.config.resolve import resolve
from after_ser.judge.grid import cells, outlier_cells, robustness_cells
from tests.config.test_config import change, preset


def with_outliers():
    config = preset()
    config["datasets"]["injected"] = {
        **config["datasets"]["merged"],
        "inject": {"duplicates": 0.05, "foreign": {"corpus": "synthetic-savee", "share": 0.05}},
    }
    config["protocols"]["noisy"] = {**config["protocols"]["paper"], "oracle": {"label_noise": 0.1}}
    for name, strategy in (("o-entropy", "entropy"), ("o-random", "random")):
        config["arms"][name] = {"label": name, "start": "tapt", "strategy": strategy,
                                "protocol": "noisy"}  # fmt: skip
    config["tables"]["outliers"] = {
        "dataset": "injected",
        "arms": ["o-entropy"],
        "random": "o-random",
        "budgets": [0.1, 0.2],
    }
    return config


def test_the_default_oracle_tells_the_truth():
    oracle = resolve(preset())["protocols"]["paper"]["oracle"]
    assert oracle == {
        "kind": "simulated", "label_noise": 0.0, "annotators": [], "aggregate": "majority",
    }  # fmt: skip


def test_the_model_tested_is_the_last_one_shown_unless_given():
    config = preset()
    del config["tables"]["robustness"]["budget"]
    resolved = resolve(config)
    assert resolved["tables"]["robustness"]["budget"] == {"after": 1.0, "tapt-random": 1.0}
    assert resolve(copy.deepcopy(resolved)) == resolved
    config["tables"]["robustness"]["budget"] = {"after": 0.2}
    found = robustness_cells(resolve(config))
    assert {(cell.arm, cell.budget) for cell in found} == {("after", 0.2), ("tapt-random", 1.0)}
    assert {cell.fold for cell in found} == {1, 2}


def test_robustness_and_outliers_evaluate_cells_of_the_grid():
    resolved = resolve(with_outliers())
    every = set(cells(resolved))
    assert set(robustness_cells(resolved)) < every
    found = outlier_cells(resolved)
    assert set(found) < every and {cell.dataset for cell in found} == {"injected"}
    assert {cell.budget for cell in found} == {0.1, 0.2}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tables/robustness/conditions", {"whit": [3]}, '"whit" … "white"'),
        ("tables/robustness/conditions", {"coding": [2]}, "coding: 2 … expected 6"),
        ("tables/robustness/conditions", {"white": []}, "tables.robustness.conditions.white"),
        ("tables/robustness/budget", 0.3, "tables.robustness: 0.3"),
        ("tables/robustness/budget", {"aft": 0.2}, 'no arm "aft" … "after"'),
        ("tables/robustness/arms", ["aftr"], 'no arm "aftr"'),
        ("tables/robustness", None, "draws tables.robustness"),
        ("datasets/injected/inject/foreign/corpus", "savee", '"savee"'),
        ("datasets/injected/inject/foreign/corpus", "synthetic-emodb", "a corpus of the dataset"),
        ("datasets/injected/inject", {}, "datasets.injected.inject"),
        ("tables/outliers/random", "o-entropy", "o-entropy is random"),
        ("tables/outliers/random", "after", "entropy; … random"),
        ("protocols/noisy/oracle/annotators", [{"confusion": {}}], "expected one of the two"),
        ("protocols/noisy/oracle/label_nois", 1, 'did you mean "label_noise"?'),
        ("protocols/noisy/oracle",
         {"annotators": [{"confusion": {"anger": {"anger": 0.5, "sad": 0.4}}}]},
         "oracle.annotators.0.confusion.anger: … 0.9"),
        ("protocols/noisy/oracle", {"annotators": [{"confusion": {"anger": {"angry": 1}}}]},
         'no class "angry"'),
    ],
)  # fmt: skip
def test_mistakes_are_named_on_one_line(path, value, message):
    config = with_outliers()
    change(config, path, value)
    with refused(message):
        resolve(config)
