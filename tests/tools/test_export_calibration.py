"""The temperature, what it is not fitted to, and the calibration error."""

import numpy as np
import pytest
from scipy.special import softmax

from after_ser.tools.export.calibration import (
    LEAST_CLIPS,
    calibration_error,
    fit_temperature,
    rescaled,
)


def clips(count, sharpness, seed=0):
    """Probabilities of a model whose logits are `sharpness` times the true ones, and classes."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(scale=1.5, size=(count, 4))
    true = softmax(logits, axis=1)
    truth = np.array([draw.choice(4, p=row) for row in true])
    return softmax(sharpness * logits, axis=1), truth


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_the_temperature_undoes_what_a_model_is_too_sure_of(sharpness):
    probs, truth = clips(4000, sharpness)
    found = fit_temperature(probs, truth)
    assert found.temperature == pytest.approx(sharpness, rel=0.1)
    after = rescaled(probs, found.temperature)
    assert calibration_error(after, truth) < 0.03
    if sharpness != 1.0:
        assert calibration_error(probs, truth) > 2 * calibration_error(after, truth)
    np.testing.assert_array_equal(after.argmax(axis=1), probs.argmax(axis=1))

    # no other temperature is better on the clips it was fitted to
    def loss(value):
        scaled = rescaled(probs, value)
        return -np.log(scaled[np.arange(len(truth)), truth]).mean()

    near = [found.temperature * factor for factor in (0.97, 1.0, 1.03)]
    assert min(near, key=loss) == near[1]


def test_it_stays_one_where_the_clips_cannot_tell():
    probs, truth = clips(200, 2.0)
    few = fit_temperature(probs[: LEAST_CLIPS - 1], truth[: LEAST_CLIPS - 1])
    assert few.temperature == 1 and "19 validation clips" in few.note
    one = fit_temperature(probs[truth == 2], truth[truth == 2])
    assert one.temperature == 1 and "one class" in one.note
    right = fit_temperature(probs, probs.argmax(axis=1))
    assert right.temperature == 1 and "every validation clip is right" in right.note
    # the more such a model is believed the worse: nothing but chance would be best
    wrong = fit_temperature(probs, probs.argmin(axis=1))
    assert wrong.temperature == 1 and "no temperature" in wrong.note
    assert fit_temperature(np.zeros((0, 4)), []).temperature == 1
    assert fit_temperature(probs, truth).temperature != 1


def test_probabilities_of_zero_do_not_break_it():
    probs, truth = clips(300, 3.0)
    hard = np.where(probs < 1e-3, 0.0, probs)
    hard /= hard.sum(axis=1, keepdims=True)
    found = fit_temperature(hard, truth)
    assert np.isfinite(found.temperature)
    assert np.isfinite(rescaled(hard, found.temperature)).all()


def test_the_calibration_error_by_hand():
    # two bins: 0.9 right twice of four, 0.6 right once of one
    probs = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]])
    truth = [0, 0, 1, 1, 0]
    assert calibration_error(probs, truth) == pytest.approx((4 * 0.4 + 1 * 0.4) / 5)
    assert calibration_error(np.array([[1.0, 0.0]] * 3), [0, 0, 0]) == 0
    assert np.isnan(calibration_error(np.zeros((0, 2)), []))
