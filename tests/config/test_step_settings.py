"""What a step depends on of the configuration: what changes its result, and nothing else."""

import copy

import pytest

from after_ser.config import step_settings as settings
from tests.judge.test_grid import config


@pytest.fixture(scope="module")
def demo():
    return config()


def changed(demo, section, name, **values):
    other = copy.deepcopy(demo)
    other[section][name].update(values)
    return other


def scores(config):
    return settings.of_scores(config, "paper", config["backbone"], "tapt")


def test_what_is_said_of_a_backbone_or_how_it_is_computed_is_no_setting(demo):
    plain = settings.of_backbone(demo, demo["backbone"])
    assert plain == settings.of_backbone(
        changed(demo, "backbones", demo["backbone"], note="x", licence="y"), demo["backbone"]
    )
    own = demo["backbones"][demo["backbone"]]["pretraining"]
    for key, matters in (("accumulation", False), ("steps", True)):
        other = changed(demo, "backbones", demo["backbone"], pretraining={**own, key: own[key] + 1})
        assert (settings.of_backbone(other, demo["backbone"]) != plain) == matters
        assert (scores(other) != scores(demo)) == matters
        trained = settings.of_pretraining(other, demo["backbone"])
        assert (trained != settings.of_pretraining(demo, demo["backbone"])) == matters


def test_tapt_depends_on_its_steps_but_not_on_who_shares_it_or_in_how_many_parts_it_is_made(demo):
    for key, value, matters in (
        *(("seed_per_run", True, False), ("accumulation", 7, False)),
        *(("steps", 7, True), ("mask_prob", 0.5, True)),
    ):
        other = changed(demo, "tapt", "tapt", **{key: value})
        assert (settings.of_tapt(other, "tapt") != settings.of_tapt(demo, "tapt")) == matters, key
        assert (scores(other) != scores(demo)) == matters, key


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [("latents", "float32", {"precision": "float32"}), ("latents", "float16", {})],
)
def test_latents_are_told_their_precision_where_it_is_not_the_default(demo, key, value, found):
    other = {**demo, key: value}
    assert settings.of_latents(other) == found
    assert (scores(other) == scores({**demo, "latents": "float16"})) == (not found)


def test_a_fit_is_told_its_precision_where_it_is_not_the_default(demo):
    assert "precision" not in settings.of_fit({**demo, "precision": "auto"}, "paper")
    assert settings.of_fit({**demo, "precision": "bf16"}, "paper")["precision"] == "bf16"


def test_a_new_method_makes_new_scores(demo, monkeypatch):
    before = scores(demo)
    monkeypatch.setattr(settings, "METHODS", {**settings.METHODS, "fit": "fit-3"})
    assert scores(demo) != before


def test_a_strategy_has_its_own_options_and_surprisal_none_of_the_clustering(demo):
    other = {**demo, "strategies": {"alps": {"bins": 3}, "kmeans": {"k_max": 4}}}
    assert settings.of_strategy(other, "kmeans") == {"k_min": 2, "k_max": 4}
    assert settings.of_surprisal(other)["bins"] == 3
    assert settings.of_strategy(other, "entropy") == {}


def test_how_jobs_are_run_is_not_saved_with_the_results(demo):
    assert settings.saved({**demo, "time_factor": 3}) == settings.saved(demo)
    assert settings.saved({**demo, "seeds": [5]}) != settings.saved(demo)


def test_a_query_brings_the_next_fraction_of_the_budget_until_there_is_none(demo):
    budget = demo["budget"]
    found = [settings.queried_fraction(demo, "paper", index) for index in range(len(budget) + 1)]
    assert found == [*budget, None]
    shifted = changed(demo, "protocols", "paper", budget_shift=1)
    assert settings.queried_fraction(shifted, "paper", 1) == budget[2]
