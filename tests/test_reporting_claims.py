"""Claims: each verdict for each kind of claim, and no claim without a row."""

from __future__ import annotations

import copy
import html
import importlib.util
import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from claims_run import (
    TESTABLE,
    arm,
    as_claimed,
    config,
    made_up,
    nothing,
    reversed_claims,
    slow_start,
)
from scipy import stats

from after_ser.evaluation.comparison import holm
from after_ser.evaluation.outliers import KINDS, POOL
from after_ser.evaluation.statistics import summarise
from after_ser.reporting import table
from after_ser.reporting.claims.evidence import Evidence
from after_ser.reporting.claims.headline import follows_from_table3
from after_ser.reporting.claims.model import (
    ABOVE_ZERO,
    FACTOR,
    POINTS,
    Measured,
    NotTestable,
    Part,
)
from after_ser.reporting.claims.registry import CLAIMS
from after_ser.reporting.claims.report import claims_frame, claims_report, parts_frame
from after_ser.reporting.claims.verdict import (
    HOLDS,
    NOT_SUPPORTED,
    NOT_TESTABLE,
    OPEN,
    REVERSED,
    SUPPORTED,
    TOO_FEW,
    UNDECIDED,
    judge,
    p_outside,
)
from after_ser.reporting.escape import tex_text
from after_ser.reporting.outliers import outliers_table
from after_ser.runtime.atomic import write_tsv

NUMBERS = list(range(1, 18))


def verdicts(evidence: Evidence) -> dict[int, str]:
    return {row.number: row.judged.verdict for row in claims_report(evidence).rows}


def judged(number: int, evidence: Evidence):
    """Judge one claim; the reason alone where it cannot be measured."""
    try:
        return judge(CLAIMS[number - 1].measure(evidence))
    except NotTestable as reason:
        return str(reason)


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
            assert row.judged.reason.startswith("one fold: no confidence interval")
            assert row.judged.decisive is not None  # the effect is still shown
    assert claims_frame(one)["ci_low"].isna().all()
    two = claims_report(made_up(config(folds=2)))
    for row in two.rows:
        if row.number in TESTABLE:
            assert row.judged.verdict == UNDECIDED
            assert row.judged.reason.startswith("two folds are too few for a verdict")
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


def test_baselines_are_not_testable_and_named(claimed_report):
    frame = claims_frame(claimed_report).set_index("number")
    for number in (9, 11, 16):
        assert frame.loc[number, "verdict"] == NOT_TESTABLE
    assert "GLAM, LSSED, RH-emo, Light, Pseudo-TAPT or w2v2-L-r-12" in frame.loc[9, "reason"]


def test_the_headline_is_judged_by_arithmetic_and_apart_from_the_run(
    claimed, claimed_report, monkeypatch
):
    first = claims_frame(claimed_report).set_index("number").loc[17]
    other = claims_frame(claims_report(NOTHING["nothing at all"](claimed))).set_index("number")
    assert first["verdict"] == NOT_SUPPORTED and first.equals(other.loc[17])
    assert follows_from_table3(claimed).gains == {"UA": (8.45, 6.03), "WA": (4.12, 2.94)}
    assert "no baseline is 8.45 points below AFTER" in first["reason"]
    monkeypatch.setattr("after_ser.reporting.claims.headline.STATED", {"UA": 6.03, "WA": 2.94})
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
    assert some.reason == "all 12 intervals lie above 0; not run here: 30 %"
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
    assert lacking.startswith("no strategy of the paper was run with both")


def test_missing_things_are_named(claimed):
    assert judged(7, without(claimed, budget=0.6)) == "AFTER was not run with 60 % of the labels"
    assert "random selection without TAPT on big" in judged(
        1, without(claimed, start="pretrained", strategy="random")
    )
    assert judged(10, without(claimed, dataset="alone")).endswith("shows AFTER on alone")
    settings = copy.deepcopy(claimed.config)
    settings["datasets"]["alone"]["folds"] = {"by": "speaker", "groups": 5}
    changed = replace(claimed, config=settings)
    assert judged(10, changed) == "no dataset of this config is c alone, with equal folds"


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
        assert judged(number, mixed) == "times were measured on different devices: CPU, GPU"


def test_linear_is_within_a_tenth_of_the_rise():
    def bent(share):
        def time(settings, budget):
            return 100 * budget + share * 20 * (budget == 0.1)

        return judged(12, made_up(config(), time=time))

    assert bent(0.05).verdict == SUPPORTED
    assert bent(-0.05).verdict == SUPPORTED
    assert bent(0.2).verdict == NOT_SUPPORTED
    assert bent(-0.2).verdict == NOT_SUPPORTED
    assert judged(12, made_up(config(), time=lambda *_: 5.0, time_noise=0)) == (
        "AFTER took no longer at 20 % than at 1 %"
    )
    late = judged(12, without(made_up(config()), budget=0.01))
    assert late.verdict == UNDECIDED and "fractions below 5 %" in late.reason


def part_of(fold_values, claimed=ABOVE_ZERO, unit=POINTS) -> Part:
    folds = range(len(fold_values))
    frame = pd.DataFrame({"fold": folds, "seed": "0", "value": fold_values})
    return Part("part", unit, claimed, summarise(frame))


def test_p_values_by_hand():
    values = [-1.0, -2.0, -0.5, -1.5, -1.2]
    assert p_outside(part_of(values)) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    shifted = stats.ttest_1samp(values, -0.9).pvalue
    assert p_outside(part_of(values, (-0.9, 5.0))) == pytest.approx(shifted)
    assert p_outside(part_of(values, (-9.0, -2.0))) == pytest.approx(
        stats.ttest_1samp(values, -2.0).pvalue
    )
    assert p_outside(part_of([1.0, 2.0, 3.0])) == 1.0
    assert p_outside(part_of([-1.0])) is None and p_outside(part_of([-1.0, -2.0])) is None
    logs = np.log([0.5, 0.6, 0.55])
    assert p_outside(part_of(logs, (0.0, 0.3), FACTOR)) == pytest.approx(
        stats.ttest_1samp(logs, np.log(0.3)).pvalue
    )
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, 0.06, 0.06]
    assert holm([None]) == [None]


def test_one_slightly_reversed_part_of_many_is_not_enough():
    weak = [-1.0, -2.0, -0.2, -1.9, -1.2]
    assert 0.01 < p_outside(part_of(weak)) < 0.05
    assert judge(Measured("", [part_of(weak)])).verdict == NOT_SUPPORTED
    others = [part_of([1.0, 2.0, 3.0, 2.5, 1.5])] * 9
    found = judge(Measured("", [part_of(weak), *others]))
    assert found.verdict == UNDECIDED and found.p_holm[0] > 0.05
    assert found.decisive is not None and found.decisive.effect == pytest.approx(np.mean(weak))


def test_folds_without_spread_decide_nothing():
    equal = part_of([2.0, 2.0, 2.0])
    assert equal.interval is None
    found = judge(Measured("", [equal]))
    assert found.verdict == NOT_TESTABLE and "no spread" in found.reason
    mixed = judge(Measured("", [equal, part_of([1.0, 2.0, 3.0, 2.5, 1.5])]))
    assert mixed.verdict == UNDECIDED and "1 cannot be tested" in mixed.reason
    nothing_run = judge(Measured("", []))
    assert nothing_run.verdict == NOT_TESTABLE


def test_no_effect_is_rarely_called_one(monkeypatch):
    """On data without effect, at most 5 % of claims are refuted and hardly any is supported."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)  # statsmodels calls it each time: slow
    draws = np.random.default_rng(3)
    factor = stats.t.ppf(0.975, 4) / 5**0.5
    found = []
    for _ in range(1000):
        # all comparisons use the same folds, so they are correlated
        values = draws.normal(0, 1, (1, 5)) + draws.normal(0, 1, (6, 5))
        parts = []
        for mean, sd in zip(values.mean(1), values.std(1, ddof=1), strict=True):
            summary = {"mean": mean, "sd": sd, "n_folds": 5, "n": 5, "n_seeds": 1, "note": ""}
            summary |= {"ci_low": mean - factor * sd, "ci_high": mean + factor * sd}
            parts.append(Part("part", POINTS, ABOVE_ZERO, summary))
        found.append(judge(Measured("", parts)).verdict)
    refuted, supported = found.count(NOT_SUPPORTED), found.count(SUPPORTED)
    assert 0 < refuted <= 1000 * 0.05 + 3 * (1000 * 0.05 * 0.95) ** 0.5
    assert supported <= 1000 * 0.025 + 3 * (1000 * 0.025 * 0.975) ** 0.5


def outliers(evidence: Evidence, mean: float, kinds=("foreign", "mislabelled"), folds=5):
    """Give the run its table of outliers; entropy's picks hold `mean` points more than random's.

    Another strategy holds 5 points more, and at 100 % entropy 50 more: neither may count.
    """
    arms = evidence.config["arms"] | {"drawn": arm("tapt", "random") | {"label": "drawn"}}
    wanted = {"dataset": "big", "arms": ["a0", "a2"], "random": "drawn", "budgets": [0.2, 1.0]}
    config = evidence.config | {"arms": arms}
    config["tables"] = evidence.config["tables"] | {"outliers": wanted}
    draws = np.random.default_rng(1)
    runs = []
    for name, budget, fold in itertools.product(("a0", "a2", "drawn"), (0.2, 1.0), range(folds)):
        more = {"a0": mean if budget == 0.2 else 50.0, "a2": 5.0, "drawn": 0.0}[name]
        row = {"arm": name, "budget": budget, "fold": str(fold), "seed": "0"}
        for kind in KINDS:
            share = 0.1 + (more + draws.normal(0, 0.2)) / 100
            row |= {kind: share, f"{POOL} {kind}": 0.1 if kind in kinds else 0.0}
        runs.append(row)
    return replace(evidence, config=config, outliers=outliers_table(config, pd.DataFrame(runs)))


def as_read(evidence: Evidence, folder: Path) -> Evidence:
    """Write the table of outliers as its rule does, and read it back."""
    forms = [folder / f"outliers.{form}" for form in ("tsv", "md", "tex", "html")]
    table.write(evidence.outliers, *forms)
    return replace(evidence, outliers=table.read(forms[0]))


def test_outliers_are_judged_by_their_table(claimed, tmp_path):
    def found(*arguments, **settings):
        return judged(15, as_read(outliers(claimed, *arguments, **settings), tmp_path))

    assert judged(15, claimed).startswith("this config has no table outliers")
    assert found(-2.0).verdict == SUPPORTED
    assert found(+2.0).verdict == NOT_SUPPORTED
    assert found(0.0).verdict == UNDECIDED
    assert found(-2.0, folds=1).verdict == NOT_TESTABLE
    lacking = found(-2.0, kinds=("foreign", "near-duplicate"))
    assert lacking.verdict == UNDECIDED and "mislabelled clips (noise)" in lacking.reason
    assert len(lacking.outcomes) == 1


def script():
    path = Path(__file__).parents[1] / "workflow/scripts/claims.py"
    spec = importlib.util.spec_from_file_location("claims_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_writes_every_form_and_times_change_their_rows_only(tmp_path, claimed):
    evidence = as_read(outliers(claimed, -2.0), tmp_path)
    write_tsv(tmp_path / "scores.tsv", evidence.scores)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(evidence.config, sort_keys=False))
    forms = {"tsv": ".tsv", "parts": "_parts.tsv", "md": ".md", "tex": ".tex", "html": ".html"}
    frames = []
    for turn, times in enumerate((evidence.times, evidence.times.assign(total_s=60.0))):
        folder = tmp_path / str(turn)
        folder.mkdir()
        write_tsv(folder / "times.tsv", times, "%.3f")
        source = SimpleNamespace(
            config=tmp_path / "config.yaml",
            scores=tmp_path / "scores.tsv",
            times=folder / "times.tsv",
            outliers=[tmp_path / "outliers.tsv"],
        )
        out = SimpleNamespace(**{key: folder / f"claims{end}" for key, end in forms.items()})
        script().main(SimpleNamespace(input=source, output=out))
        frames.append(pd.read_csv(out.tsv, sep="\t"))
    first, second = frames
    steady = first["source"] != "times"
    pd.testing.assert_frame_equal(first[steady], second[steady])
    assert not first[~steady].equals(second[~steady])
    assert first["number"].tolist() == NUMBERS
    assert first.loc[14, "verdict"] == SUPPORTED  # the outliers table was read
    page = (tmp_path / "0/claims.html").read_text(encoding="utf-8")
    markdown = (tmp_path / "0/claims.md").read_text(encoding="utf-8")
    tex = (tmp_path / "0/claims.tex").read_text(encoding="utf-8")
    for number, claim in enumerate(CLAIMS, start=1):
        assert f"| {number} | **{claim.name}.**" in markdown
        assert f"<b>{html.escape(claim.name)}.</b>" in page
        assert tex_text(claim.name) in tex
    assert "| **supported** |" in markdown and "src=" not in page and "href=" not in page
    body = "\n".join(line for line in tex.splitlines() if not line.startswith("%"))
    assert body.count("{") == body.count("}")
    assert not [character for character in body if ord(character) > 126]
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in lines if "---" not in line} == {5, 6}
    parts = pd.read_csv(tmp_path / "0/claims_parts.tsv", sep="\t")
    assert set(parts["number"]) == {*TESTABLE, 15}
    reason = "claims.tsv gives the deciding comparison of claims_parts.tsv"
    for row in first[first["part"].notna()].to_dict("records"):
        same = parts[(parts["number"] == row["number"]) & (parts["part"] == row["part"])]
        assert same["effect"].tolist() == [row["effect"]], reason
