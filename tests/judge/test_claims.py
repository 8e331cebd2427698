"""Claims: each verdict for each kind of claim, and no claim without a row."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from after_ser.judge.claims.evidence import Evidence
from after_ser.judge.claims.registry import CLAIMS
from after_ser.judge.claims.report import claims_frame, claims_report, parts_frame
from after_ser.judge.claims.systems import follows_from_table3
from after_ser.judge.claims.verdict import (
    HOLDS,
    NOT_SUPPORTED,
    NOT_TESTABLE,
    OPEN,
    REVERSED,
    SUPPORTED,
    TOO_FEW,
    UNDECIDED,
)
from tests.judge.claims_run import (
    TESTABLE,
    as_claimed,
    config,
    judged,
    made_up,
    nothing,
    reversed_claims,
    slow_start,
)

NUMBERS = list(range(1, 18))


def verdicts(evidence: Evidence) -> dict[int, str]:
    return {row.number: row.judged.verdict for row in claims_report(evidence).rows}


def without(evidence: Evidence, **values) -> Evidence:
    """Leave out the cells with these values, as if no table had asked for them."""

    def rest(frame: pd.DataFrame) -> pd.DataFrame:
        hit = np.logical_and.reduce([frame[key] == value for key, value in values.items()])
        return frame[~hit]

    return replace(evidence, scores=rest(evidence.scores), times=rest(evidence.times))


@pytest.fixture(scope="module")
def claimed():
    return made_up(config())


@pytest.fixture(scope="module")
def claimed_report(claimed):
    return claims_report(claimed)


def test_every_claim_is_supported_where_the_data_are_as_claimed(claimed_report):
    found = {row.number: row.judged.verdict for row in claimed_report.rows}
    assert {number: found[number] for number in TESTABLE} == dict.fromkeys(TESTABLE, SUPPORTED)


def test_every_claim_is_not_supported_where_the_data_are_the_reverse():
    found = verdicts(made_up(config(), reversed_claims, slow_start))
    assert {number: found[number] for number in TESTABLE} == dict.fromkeys(TESTABLE, NOT_SUPPORTED)


def test_every_claim_is_undecided_where_noise_is_larger_than_effects():
    found = verdicts(made_up(config(), nothing, noise=20, time_noise=2))
    assert {number: found[number] for number in TESTABLE} == dict.fromkeys(TESTABLE, UNDECIDED)


def test_one_fold_is_not_testable_and_two_decide_nothing():
    one = claims_report(made_up(config(folds=1)))
    for row in one.rows:
        if row.number in TESTABLE:
            assert row.judged.verdict == NOT_TESTABLE
            assert row.judged.reason.startswith("one fold: ")
            assert row.judged.decisive is not None  # the effect is still shown
    assert claims_frame(one)["ci_low"].isna().all()
    two = claims_report(made_up(config(folds=2)))
    for row in two.rows:
        if row.number in TESTABLE:
            assert row.judged.verdict == UNDECIDED
            assert row.judged.reason.startswith("two folds ")
            assert set(row.judged.outcomes) == {TOO_FEW}


NOTHING = {
    "no cells": lambda evidence: without(evidence, dataset="big"),
    "no arms": lambda evidence: replace(evidence, config=evidence.config | {"arms": {}}),
    "no TAPT": lambda evidence: replace(evidence, config=evidence.config | {"tapt": {}}),
    "one fraction": lambda evidence: replace(
        evidence,
        scores=evidence.scores[evidence.scores["budget"] == 0.1],
        times=evidence.times[evidence.times["budget"] == 0.1],
    ),
    "nothing at all": lambda evidence: replace(
        evidence, scores=evidence.scores.iloc[:0], times=evidence.times.iloc[:0]
    ),
}


@pytest.mark.parametrize("kind", NOTHING)
def test_every_claim_has_a_row_whatever_the_run_lacks(claimed, kind):
    report = claims_report(NOTHING[kind](claimed))
    frame = claims_frame(report)
    assert frame["number"].tolist() == NUMBERS
    for row in frame.to_dict("records"):
        assert row["verdict"] in (SUPPORTED, NOT_SUPPORTED, UNDECIDED, NOT_TESTABLE)
        assert row["quote"] and row["place"] and row["reason"]
    assert (frame["verdict"] == NOT_TESTABLE).sum() >= 8


def test_without_table_3_no_claim_on_other_systems_is_testable(claimed_report):
    frame = claims_frame(claimed_report).set_index("number")
    for number in (9, 11, 16):
        assert frame.loc[number, "verdict"] == NOT_TESTABLE
    assert "no table3" in frame.loc[9, "reason"]


def test_the_headline_is_judged_by_arithmetic_and_apart_from_the_run(
    claimed, claimed_report, monkeypatch
):
    first = claims_frame(claimed_report).set_index("number").loc[17]
    other = claims_frame(claims_report(NOTHING["nothing at all"](claimed))).set_index("number")
    assert first["verdict"] == NOT_SUPPORTED and first.equals(other.loc[17])
    assert follows_from_table3(claimed).gains == {"UA": (8.45, 6.03), "WA": (4.12, 2.94)}
    assert "8.45 points" in first["reason"]
    monkeypatch.setattr("after_ser.judge.claims.systems.STATED", {"UA": 6.03, "WA": 2.94})
    again = claims_frame(claims_report(NOTHING["nothing at all"](claimed))).set_index("number")
    assert again.loc[17, "verdict"] == SUPPORTED


def test_ids_labels_and_order_of_arms_do_not_matter(claimed, claimed_report):
    renamed = {f"x{number}": name for number, name in enumerate(reversed(claimed.config["arms"]))}
    names = {name: new for new, name in renamed.items()}
    arms = {new: claimed.config["arms"][name] | {"label": "AFTER"} for new, name in renamed.items()}
    other = replace(
        claimed,
        config=claimed.config | {"arms": arms},
        scores=claimed.scores.assign(arm=claimed.scores["arm"].map(names)),
        times=claimed.times.assign(arm=claimed.times["arm"].map(names)),
    )
    pd.testing.assert_frame_equal(parts_frame(claimed_report), parts_frame(claims_report(other)))


def test_cells_of_other_protocols_splits_and_backbones_are_not_looked_at(claimed):
    expected = judged(1, claimed)
    bad = claimed.scores.assign(ua=0.0)
    for column, value in (("split", "released"), ("backbone", "large")):
        mixed = pd.concat([bad.assign(**{column: value}), claimed.scores])
        assert judged(1, replace(claimed, scores=mixed)) == expected
    settings = copy.deepcopy(claimed.config)
    settings["arms"] = {
        **{f"r-{name}": one | {"protocol": "released"} for name, one in settings["arms"].items()},
        **settings["arms"],
    }
    released = bad.assign(arm="r-" + bad["arm"], protocol="released")
    mixed = pd.concat([released, claimed.scores])
    assert judged(1, replace(claimed, config=settings, scores=mixed)) == expected
    settings["tables"]["claims"]["protocol"] = "released"
    assert judged(1, replace(claimed, config=settings, scores=mixed)) != expected


def test_a_claim_on_every_budget_needs_every_budget(claimed):
    some = judged(1, without(claimed, budget=0.3))
    assert some.verdict == UNDECIDED
    assert some.reason.endswith("; not run here: 30 %")
    assert set(some.outcomes) == {HOLDS}


def test_a_claim_on_every_strategy_falls_with_one(claimed):
    def one_reversed(settings, dataset, budget):
        points = as_claimed(settings, dataset, budget)
        return points - 6.0 * (settings["strategy"] == "margin" and settings["init"] == "kmeans")

    found = judged(4, made_up(config(), one_reversed))
    assert found.verdict == NOT_SUPPORTED
    assert sorted(found.outcomes) == [HOLDS] * 4 + [REVERSED]
    assert found.decisive.name.startswith("margin")
    lacking = judged(4, replace(claimed, scores=claimed.scores[claimed.scores["init"] != "random"]))
    assert lacking.startswith("no strategy")


def test_curves_are_compared_by_their_mean_up_to_20_percent():
    def late(settings, dataset, budget):
        if settings["strategy"] != "entropy" or settings["init"] == "random":
            return 60.0
        return {0.1: 64.0, 0.2: 62.0}.get(budget, 0.0 if budget > 0.2 else 60.0)

    part = CLAIMS[3].measure(made_up(config(), late, noise=0)).parts[0]
    # trapezoids above 60: 5 to 10 %, 10 to 15 %, 15 to 20 %, over a span of 19 %
    assert part.effect == pytest.approx((0.05 * 2 + 0.05 * 2 + 0.05 * 1) / 0.19)
    assert part.name.startswith("entropy, ")


def test_missing_things_are_named(claimed):
    assert "60 %" in judged(7, without(claimed, budget=0.6))
    assert "without TAPT on big" in judged(
        1, without(claimed, start="pretrained", strategy="random")
    )
    assert judged(10, without(claimed, dataset="alone")).endswith("shows AFTER on alone")
    settings = copy.deepcopy(claimed.config)
    settings["datasets"]["alone"]["folds"] = {"by": "speaker", "groups": 5}
    changed = replace(claimed, config=settings)
    assert judged(10, changed).startswith("no dataset ")


def test_order_alone_is_told_from_training_in_rounds(claimed):
    both = judged(8, claimed)
    assert len(both.outcomes) == 4 and "order" not in both.reason
    oneshot = without(claimed, start="pretrained", strategy="random", schedule="iterative")
    found = judged(8, oneshot)
    assert found.verdict == SUPPORTED and "cannot be told from" in found.reason

    def rounds_are_all(settings, dataset, budget):
        return 60.0 + 8.0 * (settings["schedule"] == "iterative")

    found = judged(8, made_up(config(), rounds_are_all, noise=0.5))
    assert found.verdict == UNDECIDED
    assert found.outcomes[:2] == [HOLDS, HOLDS] and OPEN in found.outcomes[2:]


def test_tapt_is_compared_in_arms_of_one_schedule(claimed):
    mixed = without(claimed, start="pretrained", schedule="oneshot")
    found = judged(3, mixed)
    assert found.verdict == UNDECIDED and "different schedules" in found.reason
    assert all(part.name.startswith("entropy") for part in CLAIMS[2].measure(mixed).parts)


def test_within_x_is_the_distance_that_table2_prints():
    def short_of(points):
        def gain(settings, dataset, budget):
            return 60.0 - points * (budget == 0.2)

        return judged(6, made_up(config(), gain, noise=0.01))

    assert short_of(1.4).verdict == SUPPORTED
    assert short_of(1.68).verdict == NOT_SUPPORTED  # within 1.74 UA, not within 1.62 WA
    assert short_of(1.68).outcomes == [HOLDS, REVERSED]
    assert short_of(3.0).verdict == NOT_SUPPORTED


def test_time_is_a_factor_of_the_whole_time_on_one_device():
    claimed = made_up(config(seeds=2))
    part = CLAIMS[12].measure(claimed).parts[0]
    rows = claimed.times[(claimed.times["dataset"] == "big") & (claimed.times["arm"] == "a0")]
    logs = np.log(rows.pivot(index=["fold", "seed"], columns="budget", values="total_s"))
    folds = (logs[0.2] - logs[1.0]).groupby("fold").mean()
    low, high = stats.t.interval(0.95, 4, loc=folds.mean(), scale=stats.sem(folds))
    assert part.effect == pytest.approx(np.exp(folds.mean()))
    assert part.interval == (pytest.approx(np.exp(low)), pytest.approx(np.exp(high)))
    assert part.published == pytest.approx(316.4 / 1508.2)
    for share, verdict in ((0.213, SUPPORTED), (0.218, NOT_SUPPORTED), (0.7, NOT_SUPPORTED)):
        run = made_up(config(), time=lambda _, budget, share=share: share if budget == 0.2 else 1)
        assert judged(13, run).verdict == judged(14, run).verdict == verdict
    device = claimed.times["device"].mask(claimed.times["fold"] == "3", "GPU + CPU")
    mixed = replace(claimed, times=claimed.times.assign(device=device))
    for number in (12, 13, 14):
        assert judged(number, mixed).endswith("different devices: CPU, GPU")


def test_linear_is_within_a_tenth_of_the_rise():
    def bent(share):
        def time(settings, budget):
            return 100 * budget + share * 20 * (budget == 0.1)

        return judged(12, made_up(config(), time=time))

    assert bent(0.05).verdict == SUPPORTED
    assert bent(-0.05).verdict == SUPPORTED
    assert bent(0.2).verdict == NOT_SUPPORTED
    assert bent(-0.2).verdict == NOT_SUPPORTED
    assert "no longer" in judged(12, made_up(config(), time=lambda *_: 5.0, time_noise=0))
    late = judged(12, without(made_up(config()), budget=0.01))
    assert late.verdict == UNDECIDED and "fractions below 5 %" in late.reason
