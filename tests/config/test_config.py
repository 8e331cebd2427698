"""The configuration: strict, complete, and clear about what is wrong."""

import copy
from pathlib import Path

import pytest
import yaml
from refusals import refused

from after_ser.config.resolve import resolve
from after_ser.core.errors import InputError
from after_ser.judge.registry import for_variant

ROOT = Path(__file__).parents[2]
PRESETS = sorted(
    path for path in (ROOT / "config").glob("*.yaml") if path.stem not in ("base", "downloads")
)


def preset(name="config.yaml"):
    """A preset with all that it takes from base.yaml, and every default."""
    return resolve(yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.name)
def test_every_preset_is_valid_and_resolving_twice_changes_nothing(path):
    resolved = resolve(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert resolve(resolved) == resolved


def test_defaults_are_the_design_s_and_the_given_config_is_untouched():
    given = preset()
    before = copy.deepcopy(given)
    resolved = resolve(given)
    assert given == before
    assert resolved["protocols"]["paper"]["warm_start"] is True
    assert resolved["protocols"]["paper"]["class_weights"] == "none"
    assert resolved["tapt"]["tapt"]["mask_share"] == 0.15
    assert resolved["datasets"]["savee"]["balance"]["method"] == "none"
    assert resolved["classes"] == ["anger", "neutral", "sad", "happy"]


def change(config, path, value):
    *parents, last = path.split("/")
    for key in parents:
        config = config[key]
    if value is None:
        del config[last]
    else:
        config[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tapt/tapt/step", 3, '"step" in tapt.tapt … "steps"'),
        ("seed", [1], '"seed" in the top … "seeds"'),
        ("tapt/tapt/accumulation", 0, "tapt.tapt.accumulation: 0; expected 1"),
        ("gpus_per_pretraining", 0, "gpus_per_pretraining: 0; expected 1"),
        ("device", "gpu", "device: … gpu"),
        ("run", None, 'key "run" is missing'),
        ("run", "a/b", "run: 'a/b'; … hyphens"),
        ("budget", [0.1, 0.1], "0.1 comes after 0.1"),
        ("budget", [0.2, 0.1], "0.1 comes after 0.2"),
        ("budget", [0.5, 1.5], "budget.1: 1.5; expected 1"),
        ("backbone", "smal", 'backbone: … "smal" … "small"'),
        ("arms/after/start", "tapts", 'arms.after.start: … "tapts"'),
        ("arms/after/strategy", "entropie", 'arms.after … "entropie" … "entropy"'),
        ("arms/after/schedule", "oneshot", "expected strategy random"),
        ("inside/arms", ["afterr"], 'inside.arms: … "afterr" … "after"'),
        ("figures/figure2/arms", ["afterr"], 'figure2 … "afterr" … "after"'),
        ("tables/table2/budgets", [0.15], "tables.table2: 0.15"),
        ("tables/table2/dataset", "merge", 'table2 … "merge" … "merged"'),
        ("datasets/merged/target", "iemocap", 'datasets.merged … "iemocap"'),
        ("datasets/merged/extra", ["synthetic-iemocap"], "both target and extra"),
        ("tables/comparisons/reference", "kmeans-rand", '"kmeans-rand" … "kmeans-random"'),
        ("tables/comparisons/reference", "after", "comparisons … after is reference"),
        ("tables/learning/random", "nobody", 'tables.learning: … "nobody"'),
        ("tables/learning/budgets", [0.1], "tables.learning.budgets"),
        ("tables/learning/full_data", 0.4, "tables.learning.full_data: 0.4"),
        ("strategies", {"alpz": {}}, 'strategies … "alpz" … "alps"'),
        ("strategies", {"entropy": {"k": 1}}, "strategies.entropy: … no options"),
        ("strategies", {"alps": {"bin": 9}}, 'strategies.alps … "bin" … "bins"'),
        ("strategies", {"alps": {"bins": 2.5}}, "bins: 2.5; … whole number"),
        ("strategies", {"bald": {"passes": 0}}, "passes: 0; … above 0"),
        ("corpora/synthetic-emodb/root", "/x", "one of root and synthetic"),
        ("corpora/synthetic-emodb/labels", {"W": "angry"}, 'no class "angry"'),
        ("backbones/small/hub", "a/b", "one of hub, folder, scratch"),
        ("backbones/hubbed", {"hub": "a/b"}, "needs its revision"),
        ("backbones/small/pretraining", None, "scratch needs it"),
        ("folds", [9], "none of [9] exists"),
        ("folds", [0], "folds.0: 0; expected 1"),
        ("initial", {"k_min": 5, "k_max": 5}, "k_max must be greater"),
        ("protocols/paper/selection", "argpart", "selection: 'argpart'; … 'top-k'"),
        ("protocols/paper/budget_shift", 2, "budget_shift: 2; expected 1"),
        ("arms/after/split", "halves", "arms.after.split: 'halves'; … 'paper'"),
        ("tables/protocol_effect/baseline", "aftr", 'protocol_effect … "aftr" … "after"'),
        ("tables/tapt_ablation/arms", {"a": "tapt-random", "b": "after"}, "0 arms start from"),
        ("tables/tapt_ablation/arms", {"a": "ft-random", "b": "after"}, "after differ in strategy"),
    ],
)
def test_mistakes_are_named_on_one_line(path, value, message):
    config = preset()
    change(config, path, value)
    with refused(message):
        resolve(config)


def test_argpartition_is_refused_where_there_is_no_score_per_clip():
    config = preset()
    released = preset()
    config["arms"]["after-argpartition"]["strategy"] = "random"
    resolve(config)
    config["arms"]["after-argpartition"]["strategy"] = "badge"
    with pytest.raises(InputError) as caught:
        resolve(config)
    assert "strategy badge chooses a set" in str(caught.value)
    assert "(bald, cal, entropy, least_confidence, margin)" in str(caught.value)
    config = released
    for arm in ("after-argpartition", "after-released"):
        config["arms"][arm]["strategy"] = "margin"
    config["arms"]["ft-random"]["protocol"] = "released"  # one-shot arms have no query
    config["arms"]["tapt-random"]["protocol"] = "released"
    resolve(config)


def test_a_table_may_be_there_for_several_datasets():
    config = preset("demo-full.yaml")
    config["tables"]["table4-mine"] = {**config["tables"]["table4"], "dataset": "savee"}
    resolved = resolve(config)
    assert resolved["tables"]["table4-mine"]["dataset"] == "savee"
    assert resolved["tables"]["table4"]["dataset"] == "merged"
    shown = for_variant(resolved, "tables", "table4-mine")
    assert shown["tables"]["table4"] == resolved["tables"]["table4-mine"]
    assert resolved["tables"]["table4"]["dataset"] == "merged", "the config itself is untouched"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("table5-mine", 'unknown key "table5-mine" in tables'),
        ("claims-mine", 'unknown key "claims-mine" in tables'),  # there is one list of claims
        ("table4-", 'unknown key "table4-" in tables'),
        ("table4-a/b", 'unknown key "table4-a/b" in tables'),
    ],
)
def test_only_some_tables_have_variants(name, message):
    config = preset("demo-full.yaml")
    config["tables"][name] = config["tables"]["table4"]
    with pytest.raises(InputError, match="in tables") as caught:
        resolve(config)
    assert message in str(caught.value)


def test_a_variant_is_checked_like_its_table():
    config = preset("demo-full.yaml")
    config["tables"]["table4-mine"] = {**config["tables"]["table4"], "budgets": [0.11]}
    with pytest.raises(InputError, match="tables.table4-mine: 0.11 "):
        resolve(config)
    config["tables"]["table4-mine"] = {"dataset": "savee"}
    with pytest.raises(InputError, match='"budgets" .*tables.table4-mine'):
        resolve(config)
    ablation = config["tables"]["tapt_ablation"]
    wrong = {**ablation, "arms": {"a": "after", "b": "ft-random"}}
    config["tables"]["table4-mine"] = config["tables"]["table4"]
    config["tables"]["tapt_ablation-mine"] = wrong
    with pytest.raises(InputError, match="tapt_ablation-mine.arms: after and ft-random differ"):
        resolve(config)


def test_what_is_given_keeps_its_order_and_type():
    """Snakemake compares params as text: 10 that became 10.0 would fit every model again."""
    config = preset()
    paper = dict(reversed(config["protocols"]["paper"].items()))
    del paper["patience"]
    config["protocols"]["paper"] = {**paper, "crop_s": 10}
    found = resolve(config)["protocols"]["paper"]
    assert repr(found) == repr({**paper, "crop_s": 10, "patience": 20})
