"""What every baseline must do, whatever it is; and the sizes that are published."""

import sys
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from after_ser.run.device import set_threads
from after_ser.studies.baselines.base import HISTORY
from after_ser.studies.baselines.registry import METHODS, load, registered
from tests.studies.baselines.baseline_clips import CLASSES, settings, unknown, write_clips


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Train, val and test clips of two classes; a third class has no clip anywhere."""
    folder = tmp_path_factory.mktemp("clips")
    set_threads(1)
    return [write_clips(folder, count, seed) for seed, count in enumerate((24, 8, 10))]


@pytest.fixture(scope="module", params=sorted(METHODS))
def fitted(request, toy):
    train, val, _ = toy
    method = load(request.param)
    options = {"classes": CLASSES, "settings": settings(request.param), "device": "cpu"}
    return request.param, method, options, method.fit(train, val, seed=3, **options)


def probabilities(fitted, clips):
    return fitted[1].predict(fitted[3].model, unknown(clips))


def test_it_tells_a_low_voice_from_a_high_one_and_gives_probabilities(fitted, toy):
    test = toy[2]
    probs = probabilities(fitted, test)
    assert probs.shape == (len(test), len(CLASSES))
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)
    assert (probs >= 0).all()
    assert np.mean(probs.argmax(axis=1) == [clip.label for clip in test]) >= 0.9


def test_a_class_without_a_clip_is_never_the_answer(fitted, toy):
    assert (probabilities(fitted, toy[2]).argmax(axis=1) != CLASSES.index("absent")).all()


def test_a_second_fit_gives_the_same_bytes_after_other_draws(fitted, toy):
    import torch

    name, method, options, _ = fitted
    train, val, test = toy
    torch.manual_seed(99)
    np.random.seed(99)
    again = method.fit(train, val, seed=3, **options)
    np.testing.assert_array_equal(
        method.predict(again.model, unknown(test)), probabilities(fitted, test)
    )
    assert again.history.equals(fitted[3].history)
    if registered(name).seeded:
        torch.manual_seed(99)
        other = method.fit(train, val, seed=4, **options)
        assert not np.array_equal(
            method.predict(other.model, unknown(test)), probabilities(fitted, test)
        )


def test_a_clip_s_probabilities_do_not_depend_on_the_clips_beside_it(fitted, toy):
    test = toy[2]
    probs = probabilities(fitted, test)
    np.testing.assert_allclose(probabilities(fitted, test[::-1])[::-1], probs, atol=1e-5)
    np.testing.assert_allclose(probabilities(fitted, test[3:4]), probs[3:4], atol=1e-5)


def test_labels_of_what_it_scores_are_not_read(fitted, toy):
    test = toy[2]
    wrong = [replace(clip, label=1 - clip.label) for clip in test]
    np.testing.assert_array_equal(
        fitted[1].predict(fitted[3].model, wrong), probabilities(fitted, test)
    )


def test_the_history_has_a_row_per_epoch_and_the_kept_one_has_the_lowest_val_loss(fitted):
    result = fitted[3]
    history = result.history
    assert list(history.columns) == HISTORY
    assert list(history["epoch"]) == list(range(1, result.epochs + 1))
    assert result.best_epoch == history["epoch"][history["val_loss"].idxmin()]


def test_val_does_choose_the_epoch(fitted, toy):
    """With the labels of val exchanged, another epoch is best where there are several."""
    name, method, options, result = fitted
    if result.epochs == 1:
        pytest.skip("one epoch")
    train, val, _ = toy
    exchanged = [replace(clip, label=1 - clip.label) for clip in val]
    other = method.fit(train, exchanged, seed=3, **options)
    assert other.best_epoch < result.best_epoch


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].published_parameters])
def test_the_published_size_has_the_published_number_of_parameters(name):
    module = import_module(METHODS[name].module)
    network = module.build(4, dict(METHODS[name].options))
    trained = sum(one.numel() for one in network.parameters() if one.requires_grad)
    assert trained == METHODS[name].published_parameters


def test_glam_on_windows_of_two_seconds_and_light_sernet_with_its_statistics():
    from after_ser.studies.baselines import glam, light_sernet

    two = glam.build(4, {**METHODS["glam"].options, "seconds": 2.0})
    assert sum(one.numel() for one in two.parameters()) == 940_283
    light = light_sernet.build(4, dict(METHODS["light_sernet"].options))
    statistics = sum(one.numel() for one in light.buffers() if one.ndim)
    assert 460_740 + statistics == 462_468


def test_the_registry_and_the_config_import_nothing_heavy():
    import subprocess

    code = (
        "import sys, after_ser.config.resolve, after_ser.judge.grid;"
        "import after_ser.studies.baselines.registry as r;"
        "r.registered('glam');"
        "print({'torch', 'pandas', 'sklearn', 'numpy', 'opensmile'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
