"""The switches of a protocol: their defaults, and which steps each of them can change."""

import pytest

from after_ser.core.protocol import (
    FROM_ROUND_1,
    SWITCHES,
    fit_settings,
    labelled_fraction,
    query_settings,
    round0_protocol,
)
from after_ser.learn.finetune.config import Protocol

DEFAULTS = Protocol().model_dump()
BUDGET = [0.0444, 0.05, 0.1, 0.15, 0.2]


def test_the_defaults_are_the_config_s():
    # fast is absent where it is not given, so that resolved configs are as before there was one
    assert {key: DEFAULTS.get(key, True) for key in SWITCHES} == SWITCHES
    assert "fast" not in DEFAULTS
    assert {key: DEFAULTS[key] for key in FROM_ROUND_1} == FROM_ROUND_1


def test_a_fit_and_a_query_of_the_paper_depend_on_what_they_did_before_there_were_switches():
    assert fit_settings(DEFAULTS) == {
        "warm_start": True,
        "head": "mean-relu-linear",
        "class_weights": "none",
        "learning_rate": 0.0001,
        "batch_size": 64,
        "max_epochs": 200,
        "max_steps": 0,
        "patience": 20,
        "crop_s": 10,
    }
    assert query_settings(DEFAULTS) == {}


@pytest.mark.parametrize(
    ("key", "value", "of_fit", "of_query"),
    [
        ("shuffle", False, True, False),
        ("drop_last", True, True, False),
        ("restore", "last", True, False),
        ("crop", "head", True, False),
        ("spec_augment", True, True, False),
        ("selection", "argpartition", False, True),
        ("budget_shift", 1, False, True),
        ("initial", "released", False, False),
        ("keep_models", "last", False, False),
    ],
)
def test_a_switch_is_a_setting_of_the_steps_that_it_changes(key, value, of_fit, of_query):
    changed = {**DEFAULTS, key: value}
    assert (fit_settings(changed) != fit_settings(DEFAULTS)) == of_fit
    assert fit_settings(changed).get(key) == (value if of_fit else None)
    assert query_settings(changed) == ({key: value} if of_query else {})


def test_shifted_rounds_have_one_step_more_than_their_title():
    assert [labelled_fraction(BUDGET, i, 0) for i in range(5)] == BUDGET
    shifted = [labelled_fraction(BUDGET, i, 1) for i in range(5)]
    assert shifted == pytest.approx([0.0444, 0.1, 0.15, 0.2, 0.25])
    assert labelled_fraction([0.5, 0.8, 1.0], 2, 1) == 1.0
    assert labelled_fraction([0.5], 0, 1) == 0.5


def test_round_0_is_shared_by_protocols_that_differ_from_round_1_on_only():
    protocols = {
        "other": {**DEFAULTS, "learning_rate": 0.1},
        "paper": DEFAULTS,
        "argpartition": {**DEFAULTS, "selection": "argpartition", "keep_models": "last"},
        "cold": {**DEFAULTS, "warm_start": False, "budget_shift": 1},
        "unshuffled": {**DEFAULTS, "shuffle": False},
        "both": {**DEFAULTS, "shuffle": False, "selection": "argpartition"},
        "initial": {**DEFAULTS, "initial": "released", "selection": "argpartition"},
    }
    shared = {name: round0_protocol(protocols, name) for name in protocols}
    assert shared == {
        "other": "other",
        "paper": "paper",
        "argpartition": "paper",
        "cold": "paper",
        "unshuffled": "unshuffled",
        "both": "unshuffled",
        "initial": "initial",
    }
