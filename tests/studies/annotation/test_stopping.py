"""Stopping criteria, the val curve and its extrapolation, against values computed by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import curve_fit

from after_ser.core.errors import InputError
from after_ser.judge.bootstrap import bootstrap_ua, bootstrap_ua_difference
from after_ser.studies.annotation import stopping
from after_ser.studies.annotation.gain import expected_gain, fit_power_law, power_law
from after_ser.studies.annotation.val_curve import val_curve

A, B = ["a", "a", "b", "b", "c"], ["a", "b", "b", "b", "b"]


def test_classification_change():
    assert stopping.classification_change(A, B) == 2 / 5
    assert stopping.classification_change(A, A) == 0
    for bad in ([], ["a"]):
        with pytest.raises(ValueError):
            stopping.classification_change(bad, B if bad else [])


def test_change_stops_when_nothing_changes():
    assert stopping.change_stops([None, 0.5, 0.0]).met is True
    assert stopping.change_stops([None, 0.0, 0.01]).met is False
    assert stopping.change_stops([None, 0.0, 0.01], threshold=0.01).met is True
    alone = stopping.change_stops([None])
    assert alone.met is None and alone.note == "one round only"
    assert stopping.change_stops([None, 0.2, None]).note == "no unlabelled clip is left"


def test_overall_uncertainty():
    assert stopping.overall_uncertainty(np.full((3, 4), 0.25)) == pytest.approx(1)
    assert stopping.overall_uncertainty(np.eye(3)) == 0
    # H(1/2, 1/2, 0, 0) = log 2, half of log 4
    half = np.array([[0.5, 0.5, 0, 0], [1, 0, 0, 0]])
    assert stopping.overall_uncertainty(half) == pytest.approx(0.25)
    for bad in (np.ones((2, 2)), np.zeros((0, 3)), np.ones((2, 1)), np.array([[1.5, -0.5]])):
        with pytest.raises(ValueError):
            stopping.overall_uncertainty(bad)


def test_uncertainty_stops_below_its_threshold():
    assert stopping.uncertainty_stops([0.5, 0.05]).met is False
    assert stopping.uncertainty_stops([0.5, 0.0499]).met is True


def test_agreement():
    # they agree on 3 of 5; by chance 2/5·1/5 + 2/5·4/5 + 1/5·0 = 0.4
    assert stopping.agreement(A, B) == pytest.approx((0.6 - 0.4) / (1 - 0.4))
    assert stopping.agreement(A, A) == 1
    assert stopping.agreement(["a"] * 4, ["a"] * 4) is None
    assert stopping.agreement(["a"] * 4, ["b"] * 4) == 0


def test_stability_is_the_mean_of_the_last_three_pairs():
    low = stopping.stability_stops([None, 0.5, 0.5, 0.5])
    assert low.met is False and low.value == 0.5, "stable at a low agreement is not stable"
    assert stopping.stability_stops([None, 0.1, 1.0, 0.99, 0.98]).met is True
    assert stopping.stability_stops([None, 1.0, 1.0, 0.96]).met is False
    early = stopping.stability_stops([None, 1.0, 1.0])
    assert early.met is None and early.note.startswith("2 of the 3 pairs")
    assert stopping.stability_stops([None, 1.0, None, 1.0]).met is None


def test_plateau_counts_rounds_since_the_last_gain():
    found = stopping.plateau_stops([0.4, 0.5, 0.505, 0.5, 0.509])
    assert found.history == (0, 0, 1, 2, 3) and found.met is True
    assert stopping.plateau_stops([0.4, 0.5, 0.5, 0.5, 0.52]).met is False
    # many small steps are a gain in the end, since the best is not moved by them
    assert stopping.plateau_stops([0.5, 0.508, 0.516, 0.516]).history == (0, 1, 0, 1)
    assert stopping.plateau_stops([0.5, 0.5, 0.5]).met is None


def val(right, wrong_class="b"):
    """Val predictions: 12 clips of 4 speakers and 2 classes; `right` says which are right."""
    labels = ["a", "b", "a"] * 4
    other = {"a": "b", "b": "a"}
    predicted = [x if ok else other[x] for x, ok in zip(labels, right, strict=True)]
    utts = [f"u{i:02d}" for i in range(12)]
    return pd.DataFrame({"utt": utts, "label": labels, "predicted": predicted})


SPEAKERS = {f"u{i:02d}": f"s{i // 3}" for i in range(12)}
FIRST = [1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1]
SECOND = [1, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]


def counts(frame, speakers):
    frame = frame.assign(
        speaker=frame["utt"].map(speakers), correct=frame["label"] == frame["predicted"]
    )
    found = frame.groupby(["speaker", "label"])["correct"].agg(n="size", correct="sum")
    return found.reset_index().assign(fold="1", seed="0")


def test_the_curve_is_ua_and_its_band_that_of_the_other_bootstrap():
    frames = [val(FIRST), val(SECOND).sample(frac=1, random_state=0)]
    curve = val_curve(frames, SPEAKERS, "test", resamples=20_000)
    assert curve.ua == pytest.approx([(4 / 8 + 2 / 4) / 2, (6 / 8 + 3 / 4) / 2])
    assert (curve.clusters, curve.n_clusters) == ("speakers", 4)
    both = [counts(frame, SPEAKERS) for frame in frames]
    for index in range(2):
        expected = bootstrap_ua(both[index], "other")
        found = [ends[index] for ends in curve.band]
        assert found == pytest.approx([expected["ci_low"], expected["ci_high"]], abs=0.02)
    gain, low, high = curve.gain(1)
    expected = bootstrap_ua_difference(both[1], both[0], "other")
    assert gain == pytest.approx(expected["mean"])
    assert [low, high] == pytest.approx([expected["ci_low"], expected["ci_high"]], abs=0.02)


def test_clips_are_drawn_where_speakers_are_not_known():
    unknown = val_curve([val(FIRST)], {**SPEAKERS, "u03": ""}, "test", resamples=50)
    assert unknown.clusters == "clips" and unknown.n_clusters == 12 and "not known" in unknown.note
    one = val_curve([val(FIRST)], dict.fromkeys(SPEAKERS, "x"), "test", resamples=50)
    assert one.clusters == "clips" and "one speaker" in one.note
    assert "not trustworthy" in val_curve([val(FIRST)], SPEAKERS, "test", resamples=50).note
    again = val_curve([val(FIRST)], SPEAKERS, "test", resamples=50)
    assert np.array_equal(
        again.drawn, val_curve([val(FIRST)], SPEAKERS, "test", resamples=50).drawn
    )


def test_other_val_clips_are_no_curve():
    changed = val(FIRST)
    changed.loc[3, "label"] = "b"
    for other in (changed, val(FIRST)[:11]):
        with pytest.raises(InputError, match="round 1"):
            val_curve([val(FIRST), other], SPEAKERS, "test")


N = np.array([20.0, 40, 60, 80, 160])


def test_a_power_law_is_found_again():
    truth = 0.8 - 1.2 * N**-0.6
    found = fit_power_law(N, truth)[0]
    assert found == pytest.approx([0.8, 1.2, 0.6], rel=0.05)
    assert power_law(found[None], N)[0] == pytest.approx(truth, abs=1e-3)


def test_the_fit_is_the_one_of_scipy():
    noisy = 0.7 - 1.5 * N**-0.7 + np.array([0.01, -0.02, 0.015, 0.0, -0.005])

    def law(n, a, b, c):
        return a - b * n**-c

    theirs, _ = curve_fit(law, N, noisy, p0=[0.7, 1, 0.5], bounds=([0, 0, 0.05], [1, 99, 2]))
    mine = fit_power_law(N, noisy)[0]
    errors = [((law(N, *one) - noisy) ** 2).sum() for one in (mine, theirs)]
    assert errors[0] <= errors[1] * 1.01 + 1e-9


def test_curves_that_fall_or_leave_the_range_are_fitted_within_it():
    falling, steep = fit_power_law(N, np.stack([0.6 - N / 1000, 0.2 + N / 200]))
    assert falling[1] == 0 and falling[0] == pytest.approx(np.mean(0.6 - N / 1000))
    assert steep[0] <= 1 and steep[1] > 0


def test_the_gain_of_a_known_curve():
    truth = 0.8 - 1.2 * N**-0.6
    noise = np.random.default_rng(0).normal(0, 0.01, (500, 5))
    gain = expected_gain(N, truth, truth + noise, 320, "test")
    expected = 1.2 * (160**-0.6 - 320**-0.6)
    assert gain.mean == pytest.approx(expected, rel=0.05) and gain.low < expected < gain.high
    assert gain.score == pytest.approx(0.8 - 1.2 * 320**-0.6, abs=2e-3)
    wider = expected_gain(N, truth, truth + 5 * noise, 320, "test")
    assert wider.high - wider.low > gain.high - gain.low
    scattered = truth + np.array([0.05, -0.05, 0.05, -0.05, 0.02])
    wide = expected_gain(N, scattered, np.tile(scattered, (9, 1)), 320, "test")
    assert wide.high - wide.low > 0.01, "rounds that scatter are uncertain, whatever val says"
    assert expected_gain(N, truth, truth + noise, 320, "test") == gain


def test_too_few_rounds_say_nothing():
    few = expected_gain(N[:3], N[:3] / 200, np.ones((5, 3)), 100, "test")
    assert few.mean is None and few.note.startswith("3 of the 4 rounds")
    done = expected_gain(N, N / 200, np.ones((5, 5)), 160, "test")
    assert done.mean is None and "no clip is left" in done.note
    assert math.isclose(done.labelled, 160)


def test_rounds_that_brought_no_labels_say_nothing():
    """Everything was skipped: no curve goes through one number of clips."""
    for labelled in ([20.0] * 4, [20.0, 20, 40, 40]):
        found = expected_gain(np.array(labelled), np.full(4, 0.5), np.full((9, 4), 0.5), 80, "test")
        assert found.mean is None and "too few of the rounds" in found.note
